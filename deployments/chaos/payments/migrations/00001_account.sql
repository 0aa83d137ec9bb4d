-- +goose Up
CREATE TABLE account (
    policy_number text PRIMARY KEY,
    state         text NOT NULL CHECK (state IN ('open', 'closed')),
    balance       bigint NOT NULL -- what the policy holder owes, in minor units
);

-- What was booked, in the order of booking. Nothing here keeps a movement from
-- being booked twice, or too early: that is the inbox's promise.
CREATE TABLE movement (
    policy_number text NOT NULL,
    position      bigint NOT NULL, -- how many came before it
    kind          text NOT NULL,   -- opened, closed
    amount        bigint NOT NULL,
    event_id      text NOT NULL
);
CREATE INDEX movement_policy ON movement (policy_number);

-- +goose Down
DROP TABLE movement;
DROP TABLE account;
