"""The tables and functions of a PostgreSQL log, and how a database gets them. `reactive-ws log migrate` runs it."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMAT", "SCHEMA"]

FORMAT: Final = 1

SCHEMA: Final = """
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

-- The last statement of a command: locks all streams in one order, checks what was expected, appends, records the outcome.
-- Returns the new numbers in the order of `names`, NULL where nothing was appended; or the stream that moved.
CREATE FUNCTION rws_append(system text, k bytea, names text[], bodies bytea[], sizes integer[], epochs text[],
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
        PERFORM pg_notify('rws', names[i]);
    END LOOP;
    SELECT array_agg(CASE WHEN bodies[o] IS NOT NULL THEN heads[o] + 1 END ORDER BY o) INTO seqs
        FROM generate_subscripts(names, 1) AS o;
    IF k IS NOT NULL THEN
        UPDATE rws_outcomes AS mine SET accepted = true, reply = answer, epoch = rws_append.epoch,
            streams = names, seqs = rws_append.seqs WHERE key = k;
    END IF;
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
"""Creates format 1 in an empty schema. Another format will add a list of steps, one for each format."""
