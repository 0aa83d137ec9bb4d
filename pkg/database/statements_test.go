package database_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
)

// A connection caches statements; a failed use leaves no trace.
func TestFailedStatementIsReusable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		store := func(ctx context.Context, id string) error {
			return db.InTx(ctx, func(tx *database.Tx) error { return insert(ctx, tx, id) })
		}
		gone, cancel := context.WithCancel(t.Context())
		if err := store(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := store(t.Context(), "a"); !database.IsUnique(err) {
			t.Errorf("got error %v for a second row with the key, want a unique violation", err)
		}
		err := db.InTx(t.Context(), func(tx *database.Tx) error {
			cancel()
			return insert(gone, tx, "b")
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v with a cancelled context, want context.Canceled", err)
		}
		if err := store(t.Context(), "b"); err != nil {
			t.Error(err)
		}
		if n := count(t, db); n != 2 {
			t.Errorf("there are %d rows", n)
		}
	})
}

// The same query may run on a connection of SQLite while its rows are being read.
// PostgreSQL's driver rejects a second query.
func TestStatementIsNestedInItsOwnRows(t *testing.T) {
	db := open(t, "sqlite:"+t.TempDir()+"/test.db")
	const query = "SELECT id FROM note WHERE id >= $1 ORDER BY id"
	err := db.InTx(t.Context(), func(tx *database.Tx) error {
		for _, id := range []string{"a", "b", "c"} {
			if err := insert(t.Context(), tx, id); err != nil {
				return err
			}
		}
		text := func(scan func(...any) error) (id string, err error) { return id, scan(&id) }
		got, err := database.All(t.Context(), tx, func(scan func(...any) error) (string, error) {
			id, err := text(scan)
			if err != nil {
				return "", err
			}
			more, err := database.All(t.Context(), tx, text, query, id)
			return id + ":" + strings.Join(more, ""), err
		}, query, "a")
		if all := strings.Join(got, " "); all != "a:abc b:bc c:c" {
			t.Errorf("they are %q", all)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStatementSeesChangedTable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		for _, change := range []string{
			"CREATE INDEX note_at ON note (at)", "ALTER TABLE note ADD COLUMN more text NOT NULL DEFAULT 'more'",
			"DROP TABLE note; CREATE TABLE note (id text PRIMARY KEY, at bigint NOT NULL, body bytea NOT NULL)",
		} {
			_, err := db.Exec(t.Context(), "INSERT INTO note (at, id, body) VALUES ($1, $2, $3)", 7, change, []byte{1})
			if err != nil || count(t, db) != 1 {
				t.Errorf("before %s: %v, %d rows", change, err, count(t, db))
			}
			for statement := range strings.SplitSeq("DELETE FROM note; "+change, "; ") {
				if _, err := db.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestManyStatementsAreEvicted(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		for range 2 {
			for n := range 300 {
				var got int
				query := fmt.Sprintf("SELECT %d + count(*) FROM note", n)
				if _, err := database.One(t.Context(), db.Reader(), query, nil, &got); err != nil || got != n {
					t.Fatalf("%s is %d, %v", query, got, err)
				}
			}
		}
	})
}
