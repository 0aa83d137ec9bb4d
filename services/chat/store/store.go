// Package store keeps chat's streams and agents in a database, SQLite or PostgreSQL.
package store

import (
	"context"
	"embed"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

//go:embed migrations
var migrations embed.FS

// Store is the log of all streams. A Store is safe for concurrent use.
type Store struct {
	db        *database.DB
	committed func(chat.Entry)
	notices   *database.Batch[chat.Draft]
}

// New makes the log in a migrated database. The function committed is called with each
// new entry after the commit, in no particular order between goroutines. It must not
// block. A commit with an unknown outcome is not reported; the entry is in the log.
func New(db *database.DB, committed func(chat.Entry)) *Store {
	s := &Store{db: db, committed: committed}
	s.notices = database.NewBatch(s.appendNotices)
	return s
}

// Migrate creates the tables of the log in db.
func Migrate(ctx context.Context, db *database.DB) error {
	return database.Migrate(ctx, db, "chat", migrations)
}
