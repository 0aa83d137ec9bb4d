-- +goose Up
CREATE TABLE product (
    code       text PRIMARY KEY,
    status     text NOT NULL CHECK (status IN ('draft', 'active')),
    definition text NOT NULL -- JSON; its status is ignored
);

CREATE TABLE tariff (
    product_code text PRIMARY KEY REFERENCES product (code),
    version      bigint NOT NULL DEFAULT 1, -- an update names the version that it replaces
    rules        text NOT NULL -- JSON
);

CREATE TABLE offer (
    number       text PRIMARY KEY,
    product_code text NOT NULL REFERENCES product (code),
    cover_from   text NOT NULL,
    cover_to     text NOT NULL,
    total        bigint NOT NULL,
    agent_login  text NOT NULL,
    created_at   bigint NOT NULL,
    status       text NOT NULL CHECK (status IN ('New', 'Converted', 'Rejected')),
    CHECK (cover_from < cover_to) -- premiums are divided by the number of days
);

CREATE TABLE offer_cover (
    offer_number text NOT NULL REFERENCES offer (number),
    position     bigint NOT NULL,
    code         text NOT NULL,
    premium      bigint NOT NULL,
    PRIMARY KEY (offer_number, position)
);

CREATE TABLE policy (
    number         text PRIMARY KEY,
    offer_number   text NOT NULL UNIQUE REFERENCES offer (number), -- an offer is bought once
    product_code   text NOT NULL REFERENCES product (code),
    first_name     text NOT NULL,
    last_name      text NOT NULL,
    tax_id         text NOT NULL,
    country        text NOT NULL,
    zip_code       text NOT NULL,
    city           text NOT NULL,
    street         text NOT NULL,
    agent_login    text NOT NULL,
    created_at     bigint NOT NULL,
    status         text NOT NULL CHECK (status IN ('Active', 'Terminated')),
    newest_version bigint NOT NULL -- number in policy_version
);
CREATE INDEX policy_newest ON policy (created_at, number);
CREATE INDEX policy_newest_of_agent ON policy (agent_login, created_at, number);

CREATE TABLE policy_version (
    policy_number text NOT NULL REFERENCES policy (number),
    number        bigint NOT NULL,
    cover_from    text NOT NULL,
    cover_to      text NOT NULL,
    valid_from    text NOT NULL,
    valid_to      text NOT NULL,
    total         bigint NOT NULL,
    PRIMARY KEY (policy_number, number)
);

CREATE TABLE policy_cover (
    policy_number  text NOT NULL,
    version_number bigint NOT NULL,
    position       bigint NOT NULL,
    code           text NOT NULL,
    premium        bigint NOT NULL,
    PRIMARY KEY (policy_number, version_number, position),
    FOREIGN KEY (policy_number, version_number) REFERENCES policy_version (policy_number, number)
);

-- Responses to requests with an idempotency key, written in their business transactions.
CREATE TABLE idempotency_key (
    agent_login text NOT NULL,
    method      text NOT NULL,
    path        text NOT NULL,
    key         text NOT NULL,
    digest      bytea NOT NULL,
    status      bigint NOT NULL,
    location    text NOT NULL,
    body        bytea NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (agent_login, method, path, key)
);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);

-- +goose Down
DROP TABLE idempotency_key;
DROP TABLE policy_cover;
DROP TABLE policy_version;
DROP TABLE policy;
DROP TABLE offer_cover;
DROP TABLE offer;
DROP TABLE tariff;
DROP TABLE product;
