package database_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/testenv"
)

func open(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	migrations := fstest.MapFS{"migrations/00001_note.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE note (id text PRIMARY KEY, body bytea NOT NULL, at bigint NOT NULL);\n")}}
	for range 2 { // The second time there is nothing to do.
		if err := database.Migrate(t.Context(), db, "test", migrations); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func insert(ctx context.Context, q database.Querier, id string) error {
	_, err := q.ExecContext(ctx, "INSERT INTO note (at, id, body) VALUES ($3, $1, $2)", id, []byte{0, 255}, 7)
	return err
}

func count(t *testing.T, db *database.DB) (n int) {
	t.Helper()
	if _, err := database.One(t.Context(), db.Reader(), "SELECT count(*) FROM note", nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAfterCommitRunsOnlyAfterACommit(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		failed := errors.New("failed")
		var after []string
		for name, result := range map[string]error{"committed": nil, "rolled back": failed} {
			err := db.InTx(t.Context(), func(tx *database.Tx) error {
				tx.AfterCommit(func() { after = append(after, name) })
				if err := insert(t.Context(), tx, name); err != nil {
					return err
				}
				return result
			})
			if !errors.Is(err, result) {
				t.Errorf("%s: got error %v, want %v", name, err, result)
			}
		}
		if len(after) != 1 || after[0] != "committed" || count(t, db) != 1 {
			t.Errorf("AfterCommit ran for %v, and got %d rows", after, count(t, db))
		}
	})
}

func TestReaderSeesOnlyCommittedRows(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		failed := errors.New("failed")
		err := db.InTx(t.Context(), func(tx *database.Tx) error {
			if err := insert(t.Context(), tx, "a"); err != nil {
				return err
			}
			for q, want := range map[database.Querier]int{tx: 1, db.Reader(): 0} {
				var n int
				if _, err := database.One(t.Context(), q, "SELECT count(*) FROM note", nil, &n); err != nil || n != want {
					t.Errorf("%T counts %d rows, want %d; error %v", q, n, want, err)
				}
			}
			return failed
		})
		if !errors.Is(err, failed) || count(t, db) != 0 {
			t.Errorf("got error %v and %d rows, want %v and none", err, count(t, db), failed)
		}
	})
}

func TestPanicRollsBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		func() {
			defer func() { _ = recover() }()
			_ = db.InTx(t.Context(), func(tx *database.Tx) error {
				if err := insert(t.Context(), tx, "a"); err != nil {
					t.Error(err)
				}
				panic("bug")
			})
		}()
		if n := count(t, db); n != 0 {
			t.Errorf("got %d rows, want none", n)
		}
	})
}

func TestSecondRowWithKeyIsUniqueViolation(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		err := db.InTx(t.Context(), func(tx *database.Tx) error {
			return errors.Join(insert(t.Context(), tx, "a"), insert(t.Context(), tx, "a"))
		})
		if !database.IsUnique(err) {
			t.Errorf("got error %v", err)
		}
		if database.IsUnique(errors.New("other")) {
			t.Error("any error is a unique violation")
		}
	})
}

func TestSnapshotHidesLaterCommits(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		err := db.InSnapshot(t.Context(), func(tx *database.Tx) error {
			var before, after int
			if _, err := database.One(t.Context(), tx, "SELECT count(*) FROM note", nil, &before); err != nil {
				return err
			}
			err := db.InTx(context.WithoutCancel(t.Context()), func(tx *database.Tx) error {
				return insert(t.Context(), tx, "meanwhile")
			})
			if err != nil {
				return err
			}
			if _, err := database.One(t.Context(), tx, "SELECT count(*) FROM note", nil, &after); err != nil {
				return err
			}
			if before != 0 || after != 0 {
				t.Errorf("counted %d, then %d", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A lock of another process is a transient error, not an error of the statement.
func TestLockedFileIsTransient(t *testing.T) {
	address := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	ours, theirs := open(t, address), open(t, address)
	err := theirs.InTx(t.Context(), func(*database.Tx) error {
		err := ours.InTx(t.Context(), func(tx *database.Tx) error { return insert(t.Context(), tx, "a") })
		late, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err)
		if !ok || !late.Timeout() {
			t.Errorf("got error %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := open(t, "sqlite:"+path)
	if err := db.InTx(t.Context(), func(tx *database.Tx) error { return insert(t.Context(), tx, "a") }); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", file, info, err)
		}
	}
}

func TestNodesMigrateConcurrently(t *testing.T) {
	address := testenv.Postgres(t)
	migrations := fstest.MapFS{
		"migrations/00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (id text PRIMARY KEY);\n")},
		"migrations/00002_b.sql": {Data: []byte("-- +goose Up\nINSERT INTO a VALUES ('once');\n")},
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := database.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(database.Migrate(t.Context(), db, "nodes", migrations), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestInvalidURLErrorHidesPassword(t *testing.T) {
	for _, url := range []string{"mysql://me:secret@host/db", "postgres://me:secret@host:port/db", "sqlite:", "sqlite:x?mode=ro", ""} {
		if _, err := database.Open(t.Context(), url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", url, err)
		}
	}
}

// TestIdleTransactionIsEnded checks the setting, and its effect with a shorter time.
func TestIdleTransactionIsEnded(t *testing.T) {
	address := testenv.Postgres(t)
	var setting string
	if err := open(t, address).Reader().QueryRowContext(t.Context(), "SHOW idle_in_transaction_session_timeout").Scan(&setting); err != nil || setting != "20s" {
		t.Errorf("got idle_in_transaction_session_timeout %q, error %v, want 20s", setting, err)
	}
	hasty, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := hasty.Query()
	query.Set("idle_in_transaction_session_timeout", "100")
	hasty.RawQuery = query.Encode()
	held := make(chan struct{})
	err = open(t, hasty.String()).InTx(t.Context(), func(tx *database.Tx) error {
		if _, err := tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
			return err
		}
		go func() {
			defer close(held)
			other := open(t, address)
			if _, err := other.Reader().ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
				t.Error(err)
			}
		}()
		<-held
		return nil
	})
	if err == nil {
		t.Error("an idle transaction has committed")
	}
}

func TestCancelledTransactionReportsCancellation(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		ctx, cancel := context.WithCancel(t.Context())
		err := db.InTx(ctx, func(tx *database.Tx) error {
			cancel()
			for !errors.Is(insert(t.Context(), tx, "a"), sql.ErrTxDone) { // It is undone soon.
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
	})
}
