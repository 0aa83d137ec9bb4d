// Package store stores products, offers and policies in the database of the
// policy service, SQLite or PostgreSQL.
//
// Business rows and outbox rows are committed together. An offer is bought once
// and a policy is terminated once, however many requests try concurrently. No
// agent reads the offers or policies of another agent.
package store

import (
	"context"
	"embed"
	"sync"

	"parley.internal/pkg/database"
	"parley.internal/pkg/outbox"
)

//go:embed migrations
var migrations embed.FS

// Migrate creates or updates the tables of Store. The tables of the outbox are
// separate.
func Migrate(ctx context.Context, db *database.DB) error {
	return database.Migrate(ctx, db, "policy", migrations)
}

// Store is safe for concurrent use.
type Store struct {
	db      *database.DB
	outbox  *outbox.Outbox
	changed func()
	running sync.Map // idempotency keys without digest of the requests that run in this process
}

// New returns a store in a migrated database. The store calls changed after each
// commit of a changed product or tariff.
func New(db *database.DB, events *outbox.Outbox, changed func()) *Store {
	return &Store{db: db, outbox: events, changed: changed}
}

// transaction implements policy.Tx.
type transaction struct {
	*database.Tx

	store *Store
}

// lock is the end of a SELECT statement that locks rows.
func (tx *transaction) lock() string { return tx.store.db.Dialect.ForUpdate() }
