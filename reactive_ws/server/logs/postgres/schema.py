"""The tables and functions of a PostgreSQL log, as steps from format to format. `reactive-ws log migrate` runs those that are missing."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMAT", "FUNCTIONS", "STEPS", "TABLES"]

_TABLES: Final = """
CREATE TABLE rws_about (format integer NOT NULL, renewal integer NOT NULL);
INSERT INTO rws_about VALUES (1, 0);
CREATE TABLE rws_heads (stream text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL, first bigint NOT NULL,
    bytes bigint NOT NULL, born xid8 NOT NULL);
CREATE TABLE rws_entries (stream text COLLATE "C" NOT NULL, seq bigint NOT NULL, size integer NOT NULL,
    at timestamptz NOT NULL, cause bytea, messages bytea NOT NULL, PRIMARY KEY (stream, seq));
CREATE TABLE rws_outcomes (key bytea PRIMARY KEY, at timestamptz NOT NULL, accepted boolean, reply bytea,
    epoch text, streams text[], seqs bigint[]);
CREATE INDEX rws_outcomes_at ON rws_outcomes (at);
CREATE TABLE rws_checkpoints (stream text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL, version integer NOT NULL,
    state bytea NOT NULL);

-- Formed when it is read: a promoted replica has another timeline, so a failover changes it without a write.
CREATE FUNCTION rws_epoch(system text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT system || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || renewal FROM rws_about
$$;

-- Claims a key. Waits for another transaction that has claimed it; then its outcome is known, or the key is free again.
CREATE FUNCTION rws_claim(k bytea) RETURNS SETOF rws_outcomes LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        INSERT INTO rws_outcomes (key, at) VALUES (k, clock_timestamp()) ON CONFLICT DO NOTHING;
        IF FOUND THEN RETURN; END IF;
        RETURN QUERY SELECT * FROM rws_outcomes WHERE key = k;
        IF FOUND THEN RETURN; END IF;
    END LOOP;
END $$;

-- Removes old entries of one stream that no checkpoint needs; skips it while another transaction has it.
CREATE FUNCTION rws_prune(name text, max_entries bigint, max_bytes bigint, max_age double precision, is_folded boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    head rws_heads; covered bigint; young bigint; fitting bigint; keep bigint;
BEGIN
    SELECT * INTO head FROM rws_heads WHERE stream = name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT seq INTO covered FROM rws_checkpoints WHERE stream = name;
    IF covered IS NULL AND is_folded THEN RETURN; END IF;
    keep := greatest(head.first, head.seq - max_entries + 1);
    IF max_age IS NOT NULL THEN
        SELECT min(seq) INTO young FROM rws_entries
            WHERE stream = name AND at >= clock_timestamp() - max_age * interval '1 second';
        keep := greatest(keep, coalesce(young, head.seq));
    END IF;
    SELECT min(seq) INTO fitting FROM (
        SELECT seq, sum(size) OVER (ORDER BY seq DESC) AS total FROM rws_entries WHERE stream = name) AS sums
        WHERE total <= max_bytes;
    keep := least(greatest(keep, coalesce(fitting, head.seq)), head.seq, coalesce(covered, head.seq) + 1);
    IF keep > head.first THEN
        DELETE FROM rws_entries WHERE stream = name AND seq < keep;
        UPDATE rws_heads SET first = keep, bytes = (SELECT sum(size) FROM rws_entries WHERE stream = name)
            WHERE stream = name;
    END IF;
END $$;
"""
"""Makes format 1 in an empty schema."""

_CHAINS: Final = """
UPDATE rws_about SET format = 2;
"""
"""Makes format 2 of format 1. Its function for chains comes with the next step, which has a newer one."""

_NUMBERS: Final = """
-- The last statement of a command: locks all streams in one order, checks what was expected, appends, records the outcome.
-- Returns the new numbers in the order of `names`, NULL where nothing was appended; or the stream that moved.
CREATE OR REPLACE FUNCTION rws_append(system text, k bytea, names text[], bodies bytea[], sizes integer[], epochs text[],
    expected bigint[], versions integer[], states bytea[], answer bytea, OUT epoch text, OUT seqs bigint[], OUT moved text)
LANGUAGE plpgsql AS $$
DECLARE
    heads bigint[] := '{}'; n bigint; i integer;
BEGIN
    epoch := rws_epoch(system);
    INSERT INTO rws_heads SELECT name, 0, 1, 0, pg_current_xact_id() FROM unnest(names) AS name
        ON CONFLICT DO NOTHING;
    FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        SELECT seq INTO n FROM rws_heads WHERE stream = names[i] FOR UPDATE;
        heads := heads || n;
    END LOOP;
    FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        IF expected[i] IS NOT NULL AND (expected[i] <> heads[i] OR epochs[i] <> epoch) THEN
            moved := names[i];
            RETURN;
        END IF;
    END LOOP;
    FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        IF bodies[i] IS NULL THEN
            IF heads[i] = 0 THEN DELETE FROM rws_heads WHERE stream = names[i]; END IF;
            CONTINUE;
        END IF;
        UPDATE rws_heads SET seq = seq + 1, bytes = bytes + sizes[i] WHERE stream = names[i];
        INSERT INTO rws_entries VALUES (names[i], heads[i] + 1, sizes[i], clock_timestamp(), k, bodies[i]);
        IF states[i] IS NOT NULL THEN
            INSERT INTO rws_checkpoints VALUES (names[i], heads[i] + 1, versions[i], states[i])
                ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, version = excluded.version, state = excluded.state;
        END IF;
        PERFORM pg_notify('rws', epoch || ' ' || heads[i] + 1 || ' ' || names[i]);
    END LOOP;
    SELECT array_agg(CASE WHEN bodies[o] IS NOT NULL THEN heads[o] + 1 END ORDER BY o) INTO seqs
        FROM generate_subscripts(names, 1) AS o;
    IF k IS NOT NULL THEN
        UPDATE rws_outcomes AS mine SET accepted = true, reply = answer, epoch = rws_append.epoch,
            streams = names, seqs = rws_append.seqs WHERE key = k;
    END IF;
END $$;

-- Appends chains of commands of several clients, each command with its outcome. Each chain ends before the first command that
-- was decided on something else, or was done before; the other chains go on. Command `c` owns the rows up to `ends[c]`: a stream
-- `places[r]`, with an entry or with an expected number. All streams are in `names`, in one order, and each of them is locked once.
-- `fates` are 0 where a command was appended, -1 where it was known, and else the row of the stream that moved; NULL was not run.
CREATE OR REPLACE FUNCTION rws_chains(system text, names text[], keys bytea[], chains integer[], ends integer[], refusals boolean[],
    answers bytea[], places integer[], bodies bytea[], sizes integer[], epochs text[], expected bigint[], versions integer[],
    states bytea[], OUT epoch text, OUT seqs bigint[], OUT fates integer[]) LANGUAGE plpgsql AS $$
DECLARE
    heads bigint[] := '{}'; before bigint[]; added bigint[]; n bigint; p integer; r integer; row integer := 1; fate integer;
    ended integer := -1; own text[]; numbers bigint[];
BEGIN
    epoch := rws_epoch(system);
    FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        LOOP
            SELECT seq INTO n FROM rws_heads WHERE stream = names[i] FOR UPDATE;
            EXIT WHEN FOUND;
            INSERT INTO rws_heads VALUES (names[i], 0, 1, 0, pg_current_xact_id()) ON CONFLICT DO NOTHING;
        END LOOP;
        heads := heads || n;
        added := added || 0::bigint;
    END LOOP;
    before := heads;
    FOR c IN 1 .. array_length(keys, 1) LOOP
        fate := NULL;
        IF chains[c] <> ended THEN
            fate := 0;
            FOR r IN row .. ends[c] LOOP
                IF expected[r] IS NOT NULL AND (expected[r] <> heads[places[r]] OR epochs[r] <> epoch) THEN
                    fate := r;
                    EXIT;
                END IF;
            END LOOP;
            own := NULL;
            numbers := NULL;
            FOR r IN row .. ends[c] LOOP
                IF bodies[r] IS NOT NULL THEN
                    own := own || names[places[r]];
                    numbers := numbers || heads[places[r]] + 1;
                END IF;
            END LOOP;
            IF fate <> 0 THEN
                PERFORM 1 FROM rws_outcomes WHERE key = keys[c];
                IF FOUND THEN fate := -1; END IF;
            ELSIF keys[c] IS NOT NULL THEN
                INSERT INTO rws_outcomes VALUES
                    (keys[c], clock_timestamp(), NOT refusals[c], answers[c], rws_chains.epoch, own, numbers)
                    ON CONFLICT DO NOTHING;
                IF NOT FOUND THEN fate := -1; END IF;
            END IF;
            IF fate <> 0 THEN ended := chains[c]; END IF;
        END IF;
        FOR r IN row .. ends[c] LOOP
            p := places[r];
            IF fate = 0 AND bodies[r] IS NOT NULL THEN
                heads[p] := heads[p] + 1;
                added[p] := added[p] + sizes[r];
                INSERT INTO rws_entries VALUES (names[p], heads[p], sizes[r], clock_timestamp(), keys[c], bodies[r]);
                IF states[r] IS NOT NULL THEN
                    INSERT INTO rws_checkpoints VALUES (names[p], heads[p], versions[r], states[r])
                        ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, version = excluded.version, state = excluded.state;
                END IF;
                seqs := seqs || heads[p];
            ELSE
                seqs := seqs || NULL::bigint;
            END IF;
        END LOOP;
        row := ends[c] + 1;
        fates := fates || fate;
    END LOOP;
    FOR i IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        IF heads[i] > before[i] THEN
            UPDATE rws_heads SET seq = heads[i], bytes = bytes + added[i] WHERE stream = names[i];
            PERFORM pg_notify('rws', epoch || ' ' || heads[i] || ' ' || names[i]);
        ELSIF heads[i] = 0 THEN
            DELETE FROM rws_heads WHERE stream = names[i];
        END IF;
    END LOOP;
END $$;
UPDATE rws_about SET format = 3;
"""
"""Makes format 3 of format 2: the log appends chains, and a signal has the number of the newest entry beside the stream's name."""

_PLAIN: Final = """
-- The same text; a function in PL/pgSQL keeps its plan from one call to the next.
CREATE OR REPLACE FUNCTION rws_epoch(system text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT system || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || renewal FROM rws_about);
END $$;

-- Appends chains like `rws_chains`, when each command has one entry, on one stream, and expects nothing: with one statement for all
-- rows of a table. Entry `c` is number `steps[c]` of the new ones of its stream `places[c]`, which gets `counts` entries and `totals`
-- bytes. Returns the number of each stream before them as `seqs`, and no `fates`. When a command was done before, `rws_chains` does all.
CREATE FUNCTION rws_plain(system text, names text[], counts integer[], totals bigint[], keys bytea[], chains integer[], answers bytea[],
    places integer[], steps integer[], bodies bytea[], sizes integer[], OUT epoch text, OUT seqs bigint[], OUT fates integer[])
LANGUAGE plpgsql AS $$
DECLARE
    heads bigint[] := '{}'; n bigint; many integer := array_length(keys, 1);
BEGIN
    epoch := rws_epoch(system);
    FOR i IN 1 .. array_length(names, 1) LOOP
        LOOP
            UPDATE rws_heads SET seq = seq + counts[i], bytes = bytes + totals[i] WHERE stream = names[i] RETURNING seq INTO n;
            EXIT WHEN FOUND;
            INSERT INTO rws_heads VALUES (names[i], 0, 1, 0, pg_current_xact_id()) ON CONFLICT DO NOTHING;
        END LOOP;
        heads := heads || n - counts[i];
    END LOOP;
    INSERT INTO rws_outcomes SELECT c.key, clock_timestamp(), true, c.answer, rws_plain.epoch, ARRAY[names[c.place]],
        ARRAY[heads[c.place] + c.step] FROM unnest(keys, answers, places, steps) AS c (key, answer, place, step)
        WHERE c.key IS NOT NULL ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n < cardinality(array_remove(keys, NULL)) THEN
        DELETE FROM rws_outcomes WHERE key = ANY (keys) AND xmin = pg_current_xact_id()::xid;
        FOR i IN 1 .. array_length(names, 1) LOOP
            UPDATE rws_heads SET seq = seq - counts[i], bytes = bytes - totals[i] WHERE stream = names[i];
        END LOOP;
        SELECT it.epoch, it.seqs, it.fates INTO epoch, seqs, fates FROM rws_chains(system, names, keys, chains,
            ARRAY(SELECT generate_series(1, many)), array_fill(false, ARRAY[many]), answers, places, bodies, sizes,
            array_fill(NULL::text, ARRAY[many]), array_fill(NULL::bigint, ARRAY[many]),
            array_fill(NULL::integer, ARRAY[many]), array_fill(NULL::bytea, ARRAY[many])) AS it;
        RETURN;
    END IF;
    INSERT INTO rws_entries SELECT names[c.place], heads[c.place] + c.step, c.size, clock_timestamp(), c.key, c.body
        FROM unnest(keys, places, steps, bodies, sizes) AS c (key, place, step, body, size);
    FOR i IN 1 .. array_length(names, 1) LOOP
        PERFORM pg_notify('rws', epoch || ' ' || heads[i] + counts[i] || ' ' || names[i]);
    END LOOP;
    seqs := heads;
END $$;
UPDATE rws_about SET format = 4;
"""
"""Makes format 4 of format 3: most commands publish once, and are appended with one statement for each table."""

STEPS: Final = (_TABLES, _CHAINS, _NUMBERS, _PLAIN)
"""Step `n`, counted from 0, makes format `n + 1`. A step that a release has is never changed: a change is a further step."""

FORMAT: Final = len(STEPS)
"""The format that this version reads and writes."""

TABLES: Final = ("rws_heads", "rws_entries", "rws_outcomes", "rws_checkpoints")
"""The tables of this format, besides the one that names it."""

FUNCTIONS: Final = ("rws_claim", "rws_prune", "rws_append", "rws_chains")
"""The functions of this format, besides that of the epoch."""
