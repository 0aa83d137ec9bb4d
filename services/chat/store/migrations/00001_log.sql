-- +goose Up
CREATE TABLE stream (
    id      text PRIMARY KEY,
    kind    text NOT NULL,
    head    bigint NOT NULL, -- the sequence of its newest entry
    ordinal bigint NOT NULL, -- messages and notices up to there
    last_at bigint NOT NULL  -- when that was
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
    author   text NOT NULL,
    avatar   text NOT NULL,
    body     text NOT NULL,
    at       bigint NOT NULL,
    ordinal  bigint NOT NULL,
    PRIMARY KEY (stream, sequence)
);
CREATE UNIQUE INDEX entry_id ON entry (stream, author, id);
CREATE INDEX entry_at ON entry (stream, at);

-- +goose Down
DROP TABLE entry;
DROP TABLE stream;
