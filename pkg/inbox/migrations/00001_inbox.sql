-- +goose Up
-- The ids of received events: a duplicate has no effect. Ids and partition keys belong
-- to their publisher: two services may use equal ids.
CREATE TABLE inbox_event (
    consumer   text NOT NULL,
    source     text NOT NULL,
    id         text NOT NULL,
    arrived_at bigint NOT NULL,
    PRIMARY KEY (consumer, source, id)
);
CREATE INDEX inbox_event_age ON inbox_event (arrived_at);

-- How far each partition was handled.
CREATE TABLE inbox_partition (
    consumer      text NOT NULL,
    source        text NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    PRIMARY KEY (consumer, source, partition_key)
);

-- Events that could not be handled when they arrived.
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
    due_at        bigint NOT NULL, -- waiting: a day after the arrival; retry: the next attempt
    error         text NOT NULL,
    reason        text NOT NULL, -- the error in short, equal for events with the same cause
    arrived_at    bigint NOT NULL,
    PRIMARY KEY (consumer, source, id)
);
CREATE INDEX inbox_parked_due ON inbox_parked (consumer, state, due_at) WHERE state <> 'dead';
CREATE INDEX inbox_parked_partition ON inbox_parked (consumer, source, partition_key, sequence) WHERE state <> 'dead';
CREATE INDEX inbox_parked_dead ON inbox_parked (consumer, type, reason) WHERE state = 'dead';
