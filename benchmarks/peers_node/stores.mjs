// The stores of Node: the same work, timed here, printed as JSON: {"zustand keyed_10000": [microseconds, ...], ...}
//
//     node stores.mjs [--quick]
//
// Cases take turns, round after round, as in `timing.py`; every result is checked.

import * as alien from "alien-signals";
import * as preact from "@preact/signals-core";
import { atom, listenKeys, map } from "nanostores";
import { BasicIndex, createCollection, createLiveQueryCollection, eq } from "@tanstack/db";
import { BehaviorSubject, Subject, distinctUntilChanged, from, map as rxMap, switchMap } from "rxjs";
import { writable } from "svelte/store";
import { createStore } from "zustand/vanilla";
import { subscribeWithSelector } from "zustand/middleware";

const quick = process.argv.includes("--quick");
const usually = quick ? 3 : 15;

function expect(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${found} where ${wanted} was expected`);
}

// Each case: {who, operations, run(), check()}
function interleave(cases, rounds = usually) {
  const samples = Object.fromEntries(cases.map((one) => [one.who, []]));
  for (const one of cases) one.run();
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % cases.length;
    for (const one of [...cases.slice(turn), ...cases.slice(0, turn)]) {
      const began = process.hrtime.bigint();
      one.run();
      const took = Number(process.hrtime.bigint() - began);
      samples[one.who].push(took / 1000 / one.operations);
    }
  }
  for (const one of cases) one.check();
  return samples;
}

// --- store_write_N -------------------------------------------------------------------------------------------------

function writing(who, observers, build) {
  const operations = Math.round(200_000 / observers);
  let calls = 0;
  let next = 1;
  let written = 0;
  const write = build(observers, () => { calls += 1; });
  calls = 0;
  return {
    who: `${who} store_write_${observers}`,
    operations,
    run() {
      for (let number = 0; number < operations; number += 1) write(next++);
      written += operations;
    },
    check() { expect(calls, written * observers, who); },
  };
}

const writers = {
  zustand(count, see) {
    const store = createStore(() => ({ value: 0 }));
    for (let number = 0; number < count; number += 1) store.subscribe(() => see());
    return (value) => store.setState({ value });
  },
  nanostores(count, see) {
    const store = atom(0);
    for (let number = 0; number < count; number += 1) store.listen(() => see());
    return (value) => store.set(value);
  },
  svelte(count, see) {
    const store = writable(0);
    for (let number = 0; number < count; number += 1) store.subscribe(() => see());
    return (value) => store.set(value);
  },
  "preact signals"(count, see) {
    const one = preact.signal(0);
    for (let number = 0; number < count; number += 1) preact.effect(() => { one.value; see(); });
    return (value) => { one.value = value; };
  },
  "alien-signals"(count, see) {
    const one = alien.signal(0);
    for (let number = 0; number < count; number += 1) alien.effect(() => { one(); see(); });
    return (value) => one(value);
  },
  rxjs(count, see) {
    const subject = new BehaviorSubject(0);
    for (let number = 0; number < count; number += 1) subject.subscribe(() => see());
    return (value) => subject.next(value);
  },
};

// --- keyed_N: N keys, each observed, one changes -----------------------------------------------------------------------

function keyed(who, count, build) {
  const keys = Array.from({ length: count }, (_, number) => `key-${number}`);
  const operations = quick || count > 10_000 ? 3 : 20;
  let calls = 0;
  let version = 0;
  let written = 0;
  const write = build(keys, () => { calls += 1; });
  calls = 0;
  return {
    who: `${who} keyed_${count}`,
    operations,
    run() {
      for (let number = 0; number < operations; number += 1) {
        version += 1;
        const key = keys[(version * 7919) % count];
        write(key, { key, version });
      }
      written += operations;
    },
    check() { expect(calls, written, who); },
  };
}

const keyedStores = {
  zustand(keys, see) {
    const start = Object.fromEntries(keys.map((key) => [key, { key, version: 0 }]));
    const store = createStore(subscribeWithSelector(() => start));
    for (const key of keys) store.subscribe((state) => state[key], () => see());
    return (key, entity) => store.setState({ [key]: entity });
  },
  nanostores(keys, see) {
    const store = map(Object.fromEntries(keys.map((key) => [key, { key, version: 0 }])));
    for (const key of keys) listenKeys(store, [key], () => see());
    return (key, entity) => store.setKey(key, entity);
  },
  rxjs(keys, see) {
    const subject = new BehaviorSubject(Object.fromEntries(keys.map((key) => [key, { key }])));
    for (const key of keys) {
      subject.pipe(rxMap((state) => state[key]), distinctUntilChanged()).subscribe(() => see());
    }
    return (key, entity) => subject.next({ ...subject.value, [key]: entity });
  },
};

// --- select_N ------------------------------------------------------------------------------------------------------------

function selecting(count) {
  const fields = 100;
  let calls = 0;
  let version = 0;
  let written = 0;
  const start = Object.fromEntries(Array.from({ length: fields }, (_, at) => [`field${at}`, 0]));
  const store = createStore(subscribeWithSelector(() => start));
  for (let number = 0; number < count; number += 1) {
    const name = `field${number % fields}`;
    store.subscribe((state) => state[name], () => { calls += 1; });
  }
  const operations = quick ? 10 : 100;
  return {
    who: `zustand select_${count}`,
    operations,
    run() {
      for (let number = 0; number < operations; number += 1) {
        version += 1;
        store.setState({ [`field${version % fields}`]: version });
      }
      written += operations;
    },
    check() { expect(calls, (written * count) / fields, "zustand select"); },
  };
}

// --- the libraries of graphs: a signal is read by a call without arguments, and written by one with a value -------------------

const libraries = {
  "preact signals": {
    signal(value) {
      const one = preact.signal(value);
      return (...given) => (given.length ? (one.value = given[0]) : one.value);
    },
    computed(compute) {
      const one = preact.computed(compute);
      return () => one.value;
    },
    effect: preact.effect,
    batch: preact.batch,
  },
  "alien-signals": {
    signal: alien.signal,
    computed: alien.computed,
    effect: alien.effect,
    batch(work) {
      alien.startBatch();
      try { work(); } finally { alien.endBatch(); }
    },
  },
};

// --- cellx ---------------------------------------------------------------------------------------------------------------

function cellx(who, { signal, computed, effect, batch }, layers) {
  const start = [1, 2, 3, 4].map((value) => signal(value));
  let row = start;
  for (let layer = 0; layer < layers; layer += 1) {
    const [one, two, three, four] = row;
    row = [
      computed(() => two()),
      computed(() => one() - three()),
      computed(() => two() + four()),
      computed(() => three()),
    ];
    for (const node of row) effect(() => { node(); });
  }
  const fold = (values) => {
    let [one, two, three, four] = values;
    for (let layer = 0; layer < layers; layer += 1) {
      [one, two, three, four] = [two, one - three, two + four, three];
    }
    return [one, two, three, four].join();
  };
  const turn = (values) => {
    batch(() => values.forEach((value, at) => { start[at](value); }));
    expect(row.map((node) => node()).join(), fold(values), "cellx");
  };
  return {
    who: `${who} derived_cellx_${layers}`,
    operations: 1,
    run() { turn([4, 3, 2, 1]); turn([1, 2, 3, 4]); },
    check() {},
  };
}

// --- kairo: the six graphs of graphs.py, one operation is one iter() --------------------------------------------------------

function busy() {
  let total = 0;
  for (let number = 0; number < 100; number += 1) total += number;
  return total;
}

// Writes `head` so often; `node` must have the value wanted after each write, and its one effect must run for each.
function counting(name, effect, head, node, writes, wanted) {
  let calls = 0;
  effect(() => { node(); calls += 1; });
  return () => {
    head(1);
    expect(node(), wanted(1), name);
    calls = 0;
    for (let number = 0; number < writes; number += 1) {
      head(number);
      expect(node(), wanted(number), name);
    }
    expect(calls, writes, name);
  };
}

const graphs = {
  avoidable({ signal, computed, effect }) {
    const head = signal(0);
    let runs = 0;
    const one = computed(() => head());
    const two = computed(() => { one(); return 0; });
    const three = computed(() => { runs += 1; busy(); return two() + 1; });
    const four = computed(() => three() + 2);
    const five = computed(() => four() + 3);
    effect(() => { five(); busy(); });
    return () => {
      head(1);
      expect(five(), 6, "avoidable");
      const before = runs;
      for (let number = 0; number < 1000; number += 1) {
        head(number);
        expect(five(), 6, "avoidable");
      }
      expect(runs, before, "avoidable");
    };
  },
  broad({ signal, computed, effect }) {
    const head = signal(0);
    let last = head;
    let calls = 0;
    for (let offset = 0; offset < 50; offset += 1) {
      const current = computed(() => head() + offset);
      const next = computed(() => current() + 1);
      effect(() => { next(); calls += 1; });
      last = next;
    }
    return () => {
      head(1);
      calls = 0;
      for (let number = 0; number < 50; number += 1) {
        head(number);
        expect(last(), number + 50, "broad");
      }
      expect(calls, 50 * 50, "broad");
    };
  },
  deep({ signal, computed, effect }) {
    const head = signal(0);
    let current = head;
    for (let layer = 0; layer < 50; layer += 1) {
      const before = current;
      current = computed(() => before() + 1);
    }
    return counting("deep", effect, head, current, 50, (number) => 50 + number);
  },
  diamond({ signal, computed, effect }) {
    const head = signal(0);
    const middle = Array.from({ length: 5 }, () => computed(() => head() + 1));
    const total = computed(() => middle.reduce((sum, node) => sum + node(), 0));
    return counting("diamond", effect, head, total, 500, (number) => (number + 1) * 5);
  },
  mux({ signal, computed, effect }) {
    const heads = Array.from({ length: 100 }, () => signal(0));
    const whole = computed(() => Object.fromEntries(heads.map((head, at) => [at, head()])));
    const split = heads.map((_, at) => {
      const picked = computed(() => whole()[at]);
      return computed(() => picked() + 1);
    });
    for (const node of split) effect(() => { node(); });
    return () => {
      for (const factor of [1, 2]) {
        for (let number = 0; number < 10; number += 1) {
          heads[number](number * factor);
          expect(split[number](), number * factor + 1, "mux");
        }
      }
    };
  },
  triangle({ signal, computed, effect }) {
    const head = signal(0);
    const nodes = [];
    let current = head;
    for (let layer = 0; layer < 10; layer += 1) {
      const before = current;
      nodes.push(before);
      current = computed(() => before() + 1);
    }
    const total = computed(() => nodes.reduce((sum, node) => sum + node(), 0));
    return counting("triangle", effect, head, total, 100, (number) => 45 + 10 * number);
  },
};

function kairo(who, library, name) {
  const run = graphs[name](library);
  return { who: `${who} derived_kairo_${name}`, operations: 1, run, check() {} };
}

// --- static rectangular graphs: every node adds up some of the row before ---------------------------------------------------

function rectangle(who, { signal, computed, effect }, name, width, layers, fan, writes) {
  const values = Array.from({ length: width }, (_, at) => at);
  const signals = values.map((value) => signal(value));
  const below = (node) => Array.from({ length: fan }, (_, at) => (node + at) % width);
  const sums = (line, read) =>
    line.map((_, node) => below(node).reduce((sum, at) => sum + read(line[at]), 0));
  let row = signals;
  for (let layer = 1; layer < layers; layer += 1) {
    const before = row;
    row = before.map((_, node) => {
      const sources = below(node).map((at) => before[at]);
      return computed(() => sources.reduce((sum, source) => sum + source(), 0));
    });
  }
  for (const node of row) effect(() => { node(); });
  let turn = 0;
  let found = 0;
  return {
    who: `${who} derived_static_${name}`,
    operations: 1,
    run() {
      turn += 1;
      for (let number = 0; number < writes; number += 1) {
        const at = number % width;
        values[at] = number + at + turn;
        signals[at](values[at]);
      }
      found = row.reduce((sum, node) => sum + node(), 0);
    },
    check() {
      let line = values;
      for (let layer = 1; layer < layers; layer += 1) line = sums(line, (value) => value);
      expect(found, line.reduce((sum, value) => sum + value, 0), name);
    },
  };
}

// --- view_N: one of N entities gets a random size, and the even ones are shown by size ---------------------------------------

function viewing(who, count, writes, build) {
  let seed = 1;
  const chance = (below) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const entities = new Map();
  for (let key = 0; key < count; key += 1) {
    entities.set(key, { key, size: key, isEven: key % 2 === 0 });
  }
  const keys = Array.from({ length: writes }, () => chance(count));
  const it = build([...entities.values()]);
  return {
    who: `${who} view_${count}`,
    operations: writes,
    run() {
      for (const key of keys) {
        const size = chance(count);
        entities.set(key, { key, size, isEven: size % 2 === 0 });
        it.write(entities.get(key));
      }
    },
    check() {
      const shown = [...entities.values()].filter((one) => one.isEven).map((one) => one.size);
      shown.sort((left, right) => left - right);
      const found = it.read().map((one) => one.size);
      expect(found.length, shown.length, who);
      expect(found.every((size, at) => size === shown[at]), true, who);
    },
  };
}

const views = {
  rxjs(start) {
    const subject = new BehaviorSubject(new Map(start.map((one) => [one.key, one])));
    let shown = [];
    const sorted = rxMap((state) => [...state.values()].filter((one) => one.isEven)
      .sort((left, right) => left.size - right.size));
    subject.pipe(sorted).subscribe((rows) => { shown = rows; });
    return {
      write: (entity) => subject.next(new Map(subject.value).set(entity.key, entity)),
      read: () => shown,
    };
  },
  "tanstack db"(start) {
    let sync;
    const collection = createCollection({
      getKey: (one) => one.key,
      sync: {
        sync(given) {
          sync = given;
          given.begin();
          for (const value of start) given.write({ type: "insert", value });
          given.commit();
          given.markReady();
        },
      },
      startSync: true,
    });
    collection.createIndex((one) => one.isEven, { indexType: BasicIndex });
    const live = createLiveQueryCollection({
      query: (q) => q.from({ one: collection })
        .where(({ one }) => eq(one.isEven, true))
        .orderBy(({ one }) => one.size),
      startSync: true,
    });
    live.subscribeChanges(() => {});
    return {
      write(value) {
        sync.begin();
        sync.write({ type: "update", value });
        sync.commit();
      },
      read: () => live.toArray,
    };
  },
};

// --- fetch_params: new params, an answer at once, which the observer sees ------------------------------------------------------

async function fetching(rounds) {
  const operations = 500;
  const params = new Subject();
  let seen = 0;
  let number = 0;
  params.pipe(switchMap((value) => from(Promise.resolve(value + 1)))).subscribe((value) => { seen = value; });
  const samples = [];
  for (let round = 0; round <= rounds; round += 1) {
    const began = process.hrtime.bigint();
    for (let turn = 0; turn < operations; turn += 1) {
      number += 1;
      params.next(number);
      while (seen !== number + 1) await null;
    }
    const took = Number(process.hrtime.bigint() - began);
    if (round) samples.push(took / 1000 / operations);
  }
  return { "rxjs fetch_params": samples };
}

const results = {};
for (const observers of [1, 10, 100]) {
  const cases = Object.entries(writers).map(([who, build]) => writing(who, observers, build));
  Object.assign(results, interleave(cases));
}
for (const count of quick ? [1000] : [1000, 10_000, 100_000]) {
  const cases = Object.entries(keyedStores).map(([who, build]) => keyed(who, count, build));
  Object.assign(results, interleave(cases, count > 10_000 ? 3 : usually));
}
for (const count of quick ? [100, 1000] : [100, 1000, 10_000]) {
  Object.assign(results, interleave([selecting(count)]));
}
function everyLibrary(build) {
  const cases = Object.entries(libraries).map(([who, library]) => build(who, library));
  Object.assign(results, interleave(cases));
}
for (const layers of [10, 16, ...(quick ? [] : [1000, 2500])]) {
  everyLibrary((who, library) => cellx(who, library, layers));
}
for (const name of Object.keys(graphs)) {
  everyLibrary((who, library) => kairo(who, library, name));
}
everyLibrary((who, library) => rectangle(who, library, "1000x5", 1000, 5, 25, 30));
everyLibrary((who, library) => rectangle(who, library, "500x3", 500, 3, 5, 5));
for (const count of quick ? [1000] : [1000, 10_000, 100_000]) {
  for (const [who, build] of Object.entries(views)) {
    const writes = who === "rxjs" ? 4 : 100;
    Object.assign(results, interleave([viewing(who, count, writes, build)], Math.min(usually, 5)));
  }
}
Object.assign(results, await fetching(usually));
console.log(JSON.stringify(results));
