-- +goose Up
-- What this service tells: written with the business rows, published by the relay.
CREATE TABLE outbox_event (
    id            text PRIMARY KEY, -- a UUIDv7: sorts by time
    type          text NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    traceparent   text NOT NULL,
    data          bytea NOT NULL,
    recorded_at   bigint NOT NULL,
    state         text NOT NULL, -- pending, unroutable, refused, sent
    due_at        bigint NOT NULL, -- unroutable, refused: when it is tried again
    sent_at       bigint NOT NULL
);
CREATE INDEX outbox_event_pending ON outbox_event (id) WHERE state = 'pending';
CREATE INDEX outbox_event_unroutable ON outbox_event (due_at) WHERE state = 'unroutable';
CREATE INDEX outbox_event_sent ON outbox_event (sent_at) WHERE state = 'sent';

CREATE TABLE outbox_partition (
    partition_key text PRIMARY KEY,
    sequence      bigint NOT NULL -- the number of its newest event
);

-- What this service was told, so that the same event takes effect once.
CREATE TABLE inbox_event (
    consumer   text NOT NULL,
    id         text NOT NULL,
    arrived_at bigint NOT NULL,
    PRIMARY KEY (consumer, id)
);
CREATE INDEX inbox_event_arrived ON inbox_event (arrived_at);

-- How far each partition has been handled.
CREATE TABLE inbox_partition (
    consumer      text NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    PRIMARY KEY (consumer, partition_key)
);

-- What could not be handled when it arrived.
CREATE TABLE inbox_parked (
    consumer      text NOT NULL,
    id            text NOT NULL,
    state         text NOT NULL, -- waiting (for its predecessor), retry, dead
    type          text NOT NULL,
    source        text NOT NULL,
    recorded_at   bigint NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    traceparent   text NOT NULL,
    data          bytea NOT NULL,
    attempts      bigint NOT NULL,
    due_at        bigint NOT NULL, -- waiting: a day after it came, see 00005; retry: when it is tried again
    error         text NOT NULL,
    arrived_at    bigint NOT NULL,
    PRIMARY KEY (consumer, id)
);
CREATE INDEX inbox_parked_due ON inbox_parked (consumer, due_at) WHERE state <> 'dead';
CREATE INDEX inbox_parked_partition ON inbox_parked (consumer, partition_key, sequence) WHERE state <> 'dead';

-- +goose Down
DROP TABLE inbox_parked;
DROP TABLE inbox_partition;
DROP TABLE inbox_event;
DROP TABLE outbox_partition;
DROP TABLE outbox_event;
