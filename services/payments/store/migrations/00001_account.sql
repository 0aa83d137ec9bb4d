-- +goose Up
CREATE TABLE account (
    policy_number text PRIMARY KEY,
    state         text NOT NULL CHECK (state IN ('open', 'closed')),
    balance       bigint NOT NULL -- the policy holder's debt, in minor units
);

-- Movements in the order of booking. No constraint keeps a movement from being
-- booked twice or too early: that is the inbox's promise.
CREATE TABLE movement (
    policy_number text NOT NULL,
    position      bigint NOT NULL, -- number of earlier movements of the policy
    kind          text NOT NULL,   -- opened, closed
    amount        bigint NOT NULL,
    event_id      text NOT NULL
);
CREATE INDEX movement_policy ON movement (policy_number);

-- +goose Down
DROP TABLE movement;
DROP TABLE account;
