package database_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
)

type row struct {
	ID   string
	Body []byte
	At   int64
}

func TestTableOfAnySizeIsOneStatement(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		insert := func(ids []string, bodies [][]byte, ats []int64) {
			t.Helper()
			table, args, err := db.Dialect.Table("n", 2, database.Column{Name: "id", Values: ids},
				database.Column{Name: "body", Values: bodies}, database.Column{Name: "at", Values: ats})
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(t.Context(), "INSERT INTO note (id, body, at) SELECT n.id, n.body, n.at + CAST($1 AS bigint) FROM "+table,
				append([]any{10}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
		}
		insert(nil, nil, nil)
		insert([]string{`a'"<\`, "é"}, [][]byte{{0, 255}, {}}, []int64{-11, 1 << 53})
		got, err := database.All(t.Context(), db.Reader(), func(scan func(...any) error) (n row, err error) {
			return n, scan(&n.ID, &n.Body, &n.At)
		}, "SELECT id, body, at FROM note ORDER BY at")
		want := []row{{`a'"<\`, []byte{0, 255}, -1}, {"é", []byte{}, 1<<53 + 10}}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("error %v, rows (-want +got):\n%s", err, diff)
		}
	})
}

func TestSavepointUndoesOnlyItself(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		failed := errors.New("failed")
		var after []string
		err := db.InTx(t.Context(), func(tx *database.Tx) error {
			part := func(id string, result error) error {
				return tx.Savepoint(t.Context(), func() error {
					tx.AfterCommit(func() { after = append(after, id) })
					return errors.Join(insert(t.Context(), tx, id), result)
				})
			}
			if err := part("first", nil); err != nil {
				return err
			}
			if err := part("second", failed); !errors.Is(err, failed) {
				t.Errorf("got error %v", err)
			}
			// On PostgreSQL a statement that fails spoils the transaction around it.
			if err := part("first", nil); !database.IsUnique(err) || !database.IsConstraint(err) || !database.IsRejected(err) {
				t.Errorf("got error %v", err)
			}
			return part("third", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"first", "third"}, after); diff != "" || count(t, db) != 2 {
			t.Errorf("%d rows; after the commit (-want +got):\n%s", count(t, db), diff)
		}
	})
}

// Two that take the same rows in another order are told apart by PostgreSQL;
// SQLite lets only one begin.
func TestDeadlockIsConflict(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		if db.Dialect == database.SQLite {
			if db.Dialect.SkipLocked() != "" {
				t.Error("SQLite has no locks of rows")
			}
			return
		}
		for _, id := range []string{"a", "b"} {
			if err := insert(t.Context(), db.Reader(), id); err != nil {
				t.Fatal(err)
			}
		}
		take := func(ctx context.Context, tx *database.Tx, id string) error {
			_, err := tx.ExecContext(ctx, "UPDATE note SET at = at + 1 WHERE id = $1", id)
			return err
		}
		holds, results := make(chan struct{}, 2), make(chan error, 2)
		both := make(chan struct{})
		for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
			go func() {
				results <- db.InTx(t.Context(), func(tx *database.Tx) error {
					if err := take(t.Context(), tx, order[0]); err != nil {
						return err
					}
					holds <- struct{}{}
					<-both
					return take(t.Context(), tx, order[1])
				})
			}()
		}
		<-holds
		<-holds
		close(both)
		one, other := <-results, <-results
		if database.IsConflict(one) == database.IsConflict(other) {
			t.Errorf("got errors %v, %v", one, other)
		}
	})
}
