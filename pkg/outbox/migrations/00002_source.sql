-- +goose Up
-- Ids and partition keys are their publisher's: two services may count alike.
-- What came before that was told apart keeps its effect, in the tables _unsourced.
ALTER TABLE inbox_event RENAME TO inbox_event_unsourced;
CREATE TABLE inbox_event (
    consumer   text NOT NULL,
    source     text NOT NULL,
    id         text NOT NULL,
    arrived_at bigint NOT NULL,
    PRIMARY KEY (consumer, source, id)
);
CREATE INDEX inbox_event_age ON inbox_event (arrived_at);

ALTER TABLE inbox_partition RENAME TO inbox_partition_unsourced;
CREATE TABLE inbox_partition (
    consumer      text NOT NULL,
    source        text NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    PRIMARY KEY (consumer, source, partition_key)
);

DROP INDEX inbox_parked_due;
DROP INDEX inbox_parked_partition;
ALTER TABLE inbox_parked RENAME TO inbox_parked_unsourced;
CREATE TABLE inbox_parked (
    consumer      text NOT NULL,
    source        text NOT NULL,
    id            text NOT NULL,
    state         text NOT NULL, -- waiting (for its predecessor), retry, dead
    type          text NOT NULL,
    recorded_at   bigint NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    traceparent   text NOT NULL,
    data          bytea NOT NULL,
    attempts      bigint NOT NULL,
    due_at        bigint NOT NULL, -- waiting: a day after it came, see 00005; retry: when it is tried again
    error         text NOT NULL,
    reason        text NOT NULL, -- the error in short, alike for events that failed alike
    arrived_at    bigint NOT NULL,
    PRIMARY KEY (consumer, source, id)
);
INSERT INTO inbox_parked
SELECT consumer, source, id, state, type, recorded_at, partition_key, sequence, traceparent, data, attempts, due_at,
    error, substr(replace(error, ' ' || id || ':', ' …:'), 1, 200), arrived_at
FROM inbox_parked_unsourced;
DROP TABLE inbox_parked_unsourced;
CREATE INDEX inbox_parked_due ON inbox_parked (consumer, due_at) WHERE state <> 'dead';
CREATE INDEX inbox_parked_place ON inbox_parked (consumer, source, partition_key, sequence) WHERE state <> 'dead';
CREATE INDEX inbox_parked_dead ON inbox_parked (consumer, type, reason) WHERE state = 'dead';
