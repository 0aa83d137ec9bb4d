-- +goose Up
-- What was announced under which name: the same name again is the same
-- announcement, to the same streams.
CREATE TABLE notification (
    author  text NOT NULL,
    id      text NOT NULL,
    streams text NOT NULL, -- sorted, one a line
    PRIMARY KEY (author, id)
);

-- +goose Down
DROP TABLE notification;
