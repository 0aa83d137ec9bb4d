-- +goose Up
ALTER TABLE entry ADD COLUMN reply_to bigint NOT NULL DEFAULT 0; -- 0: answers none

CREATE TABLE read_cursor (
    login    text NOT NULL,
    stream   text NOT NULL REFERENCES stream (id),
    sequence bigint NOT NULL,
    ordinal  bigint NOT NULL, -- of the entry with that sequence
    PRIMARY KEY (login, stream)
);

CREATE TABLE agent (
    login   text PRIMARY KEY,
    name    text NOT NULL,
    avatar  text NOT NULL,
    seen_at bigint -- null: was never here
);

-- +goose Down
DROP TABLE agent;
DROP TABLE read_cursor;
ALTER TABLE entry DROP COLUMN reply_to;
