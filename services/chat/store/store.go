// Package store keeps chat's streams and agents in a database, SQLite or PostgreSQL.
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
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations of chat: %w", err)
	}
	return database.Migrate(ctx, db, "chat", files)
}

// column makes a column of a database.Table from rows.
func column[Row any, Value string | int64](name string, rows []Row, value func(Row) Value) database.Column {
	values := make([]Value, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return database.Column{Name: name, Values: values}
}
