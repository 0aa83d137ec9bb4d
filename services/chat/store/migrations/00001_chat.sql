-- +goose Up
CREATE TABLE stream (
    id      text PRIMARY KEY,
    kind    text NOT NULL,
    head    bigint NOT NULL, -- sequence of the newest entry
    ordinal bigint NOT NULL, -- number of messages and notices up to the head
    last_at bigint NOT NULL  -- time of the newest entry
);
CREATE INDEX stream_last ON stream (last_at);
INSERT INTO stream (id, kind, head, ordinal, last_at) VALUES
    ('General', 'room', 0, 0, 0),
    ('Company', 'company', 0, 0, 0);

CREATE TABLE entry (
    stream   text NOT NULL REFERENCES stream (id),
    sequence bigint NOT NULL,
    tag      text NOT NULL,
    id       text NOT NULL,
    kind     text NOT NULL,
    source   text NOT NULL, -- of a notice: the service publishing the event
    author   text NOT NULL,
    avatar   text NOT NULL,
    body     text NOT NULL,
    reply_to bigint NOT NULL, -- 0: no reply
    at       bigint NOT NULL,
    ordinal  bigint NOT NULL,
    PRIMARY KEY (stream, sequence)
);
-- Deduplication: ids are unique per author of messages, and per source of notices.
CREATE UNIQUE INDEX entry_id ON entry (stream, author, source, id);
CREATE INDEX entry_at ON entry (stream, at);

CREATE TABLE read_cursor (
    login    text NOT NULL,
    stream   text NOT NULL REFERENCES stream (id),
    sequence bigint NOT NULL,
    ordinal  bigint NOT NULL, -- of the entry with this sequence
    PRIMARY KEY (login, stream)
);

CREATE TABLE agent (
    login        text PRIMARY KEY,
    name         text NOT NULL,
    avatar       text NOT NULL,
    last_seen_at bigint -- null: never
);

-- The id of an announcement belongs to a set of streams.
CREATE TABLE announcement (
    author  text NOT NULL,
    id      text NOT NULL,
    streams text NOT NULL, -- sorted, separated by line breaks
    PRIMARY KEY (author, id)
);

-- +goose Down
DROP TABLE announcement;
DROP TABLE agent;
DROP TABLE read_cursor;
DROP TABLE entry;
DROP TABLE stream;
