-- +goose Up
-- A state more, refused: the transport does not take the event, and why is in error.
ALTER TABLE outbox_event ADD COLUMN error text NOT NULL DEFAULT '';
CREATE INDEX outbox_event_refused ON outbox_event (due_at) WHERE state = 'refused';
