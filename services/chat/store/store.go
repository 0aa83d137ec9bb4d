// Package store keeps chat's streams in its database, SQLite or PostgreSQL.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

//go:embed migrations
var migrations embed.FS

// Store is the log of all streams. It is safe for concurrent use.
type Store struct {
	db     *database.DB
	stored func(chat.Entry)
}

// New is the log in db, once Migrate has been called. The function stored is
// told of each new entry after its commit, in no particular order between
// goroutines; it must not block, and what it misses is found with Heads.
func New(db *database.DB, stored func(chat.Entry)) *Store {
	return &Store{db: db, stored: stored}
}

// Migrate makes the tables of the log in db.
func Migrate(ctx context.Context, db *database.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations of chat: %w", err)
	}
	return database.Migrate(ctx, db, "chat", files)
}
