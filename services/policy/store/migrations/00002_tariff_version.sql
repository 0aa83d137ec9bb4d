-- +goose Up
ALTER TABLE tariff ADD COLUMN version bigint NOT NULL DEFAULT 1; -- who changes a tariff names the one that they saw

-- +goose Down
ALTER TABLE tariff DROP COLUMN version;
