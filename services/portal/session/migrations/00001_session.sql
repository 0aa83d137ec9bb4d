-- +goose Up
-- Sessions revoked before their cookie expires.
CREATE TABLE ended_session (
    id    text PRIMARY KEY,
    until bigint NOT NULL
);

-- +goose Down
DROP TABLE ended_session;
