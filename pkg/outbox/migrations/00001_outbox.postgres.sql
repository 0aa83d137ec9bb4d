-- +goose Up
-- The events of this service: written with the business rows, published by the relay.
CREATE TABLE outbox_event (
    id            text PRIMARY KEY, -- a UUIDv7: sorts by time
    type          text NOT NULL,
    partition_key text NOT NULL,
    sequence      bigint NOT NULL,
    traceparent   text NOT NULL,
    data          bytea NOT NULL,
    recorded_at   bigint NOT NULL,
    state         text NOT NULL, -- pending, unroutable, rejected, sent
    due_at        bigint NOT NULL, -- unroutable, rejected: the next attempt
    sent_at       bigint NOT NULL,
    error         text NOT NULL DEFAULT '' -- rejected: the broker's reason
);
CREATE INDEX outbox_event_pending ON outbox_event (id) WHERE state = 'pending';
CREATE INDEX outbox_event_unroutable ON outbox_event (due_at) WHERE state = 'unroutable';
CREATE INDEX outbox_event_rejected ON outbox_event (due_at) WHERE state = 'rejected';
CREATE INDEX outbox_event_sent ON outbox_event (sent_at) WHERE state = 'sent';

CREATE TABLE outbox_partition (
    partition_key text PRIMARY KEY,
    sequence      bigint NOT NULL -- the number of its newest event
);
