-- +goose Up
-- Ids of events are their publisher's: two may count alike. '': an agent's entry,
-- or one of before that was told apart.
ALTER TABLE entry ADD COLUMN source text NOT NULL DEFAULT '';
DROP INDEX entry_id;
CREATE UNIQUE INDEX entry_id ON entry (stream, author, source, id);
