// The stores of Node: the same work, timed here, printed as JSON: {"zustand keyed_10000": [microseconds, ...], ...}
//
//     node stores.mjs [--quick]
//
// Cases take turns, round after round, as in `timing.py`; every result is checked.

import { effect, signal } from "@preact/signals-core";
import { atom, listenKeys, map } from "nanostores";
import { BehaviorSubject, distinctUntilChanged, map as rxMap } from "rxjs";
import { writable } from "svelte/store";
import { createStore } from "zustand/vanilla";
import { subscribeWithSelector } from "zustand/middleware";
import { computed } from "@preact/signals-core";

const quick = process.argv.includes("--quick");
const rounds = quick ? 3 : 15;

function expect(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${found} where ${wanted} was expected`);
}

// Each case: {who, operations, run(), check()}
function interleave(cases) {
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
    const one = signal(0);
    for (let number = 0; number < count; number += 1) effect(() => { one.value; see(); });
    return (value) => { one.value = value; };
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
  const operations = quick ? 3 : 20;
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

// --- cellx ---------------------------------------------------------------------------------------------------------------

function cellx(layers) {
  const start = [1, 2, 3, 4].map((value) => signal(value));
  let row = start;
  for (let layer = 0; layer < layers; layer += 1) {
    const [one, two, three, four] = row;
    row = [
      computed(() => two.value),
      computed(() => one.value - three.value),
      computed(() => two.value + four.value),
      computed(() => three.value),
    ];
    for (const node of row) effect(() => { node.value; });
  }
  const fold = (values) => {
    let [one, two, three, four] = values;
    for (let layer = 0; layer < layers; layer += 1) {
      [one, two, three, four] = [two, one - three, two + four, three];
    }
    return [one, two, three, four].join();
  };
  const turn = (values) => {
    values.forEach((value, at) => { start[at].value = value; });
    expect(row.map((node) => node.value).join(), fold(values), "cellx");
  };
  return {
    who: `preact signals derived_cellx_${layers}`,
    operations: 1,
    run() { turn([4, 3, 2, 1]); turn([1, 2, 3, 4]); },
    check() {},
  };
}

const results = {};
for (const observers of [1, 10, 100]) {
  const cases = Object.entries(writers).map(([who, build]) => writing(who, observers, build));
  Object.assign(results, interleave(cases));
}
for (const count of quick ? [1000] : [1000, 10_000]) {
  const cases = Object.entries(keyedStores).map(([who, build]) => keyed(who, count, build));
  Object.assign(results, interleave(cases));
}
for (const count of quick ? [100, 1000] : [100, 1000, 10_000]) {
  Object.assign(results, interleave([selecting(count)]));
}
for (const layers of [10, 16, ...(quick ? [] : [1000])]) {
  Object.assign(results, interleave([cellx(layers)]));
}
console.log(JSON.stringify(results));
