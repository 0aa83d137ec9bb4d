// Package store keeps products, offers and policies in the service's database,
// SQLite or PostgreSQL.
//
// It promises that what a method reported is committed, the events that tell
// about it with it; that an offer is bought once and a policy terminated once,
// whoever tries at the same time; and that nobody learns of what belongs to
// another agent.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"sync"

	"parley.internal/pkg/database"
	"parley.internal/pkg/outbox"
)

//go:embed migrations
var migrations embed.FS

// Migrate makes the tables of Store in db. Those of outbox are not among them.
func Migrate(ctx context.Context, db *database.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations of policy: %w", err)
	}
	return database.Migrate(ctx, db, "policy", files)
}

// Store is safe for concurrent use. A method with a tx takes part in that
// transaction, or has one of its own if it is nil.
type Store struct {
	db      *database.DB
	outbox  *outbox.Outbox
	changed func()

	mu       sync.Mutex
	inFlight map[requestKey]struct{} // at most one for each HTTP request under way
}

// in runs fn in tx, or in a transaction of its own if tx is nil.
func (s *Store) in(ctx context.Context, tx *database.Tx, fn func(*database.Tx) error) error {
	if tx != nil {
		return fn(tx)
	}
	return s.db.InTx(ctx, fn)
}

// New is the store in db, which has been migrated. After a commit that changed
// the catalogue, it calls changed.
func New(db *database.DB, events *outbox.Outbox, changed func()) *Store {
	return &Store{db: db, outbox: events, changed: changed, inFlight: make(map[requestKey]struct{})}
}
