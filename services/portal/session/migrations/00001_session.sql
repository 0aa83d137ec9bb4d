-- +goose Up
-- Sessions that were ended before their cookie expires.
CREATE TABLE ended_session (
    id    text PRIMARY KEY,
    until bigint NOT NULL
);

-- +goose Down
DROP TABLE ended_session;
