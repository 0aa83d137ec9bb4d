-- +goose Up
-- Retries are due at one time, what waits for its predecessor at another.
DROP INDEX inbox_parked_due;
CREATE INDEX inbox_parked_due ON inbox_parked (consumer, state, due_at) WHERE state <> 'dead';
-- What waits is due when the inbox has caught up, and long before a day is over.
UPDATE inbox_parked SET due_at = arrived_at + 86400000000 WHERE state = 'waiting';
