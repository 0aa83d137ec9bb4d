package database_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"parley.internal/pkg/database"
)

func (r replaced) insert(t *testing.T, id string) {
	t.Helper()
	err := r.db.InTx(t.Context(), func(tx *database.Tx) error { return insert(t.Context(), tx, id) })
	if err != nil {
		t.Fatal(err)
	}
}

// replaced is an open database with a file that the test replaces.
type replaced struct {
	db           *database.DB
	path, backup string
}

// replaceable returns a database with one row in the backup and two in the file.
func replaceable(t *testing.T) replaced {
	t.Helper()
	r := replaced{path: filepath.Join(t.TempDir(), "test.db")}
	r.backup = r.path + ".backup"
	r.db = open(t, "sqlite:"+r.path)
	r.insert(t, "before")
	if _, err := r.db.Exec(t.Context(), "VACUUM INTO $1", r.backup); err != nil {
		t.Fatal(err)
	}
	r.insert(t, "after")
	if n := count(t, r.db); n != 2 {
		t.Fatalf("got %d rows", n)
	}
	return r
}

// check fails unless all readers see n rows and the file is intact.
func (r replaced) check(t *testing.T, n int) {
	t.Helper()
	var reading sync.WaitGroup
	for range 8 {
		reading.Go(func() {
			if got := count(t, r.db); got != n {
				t.Errorf("got %d rows, want %d", got, n)
			}
		})
	}
	reading.Wait()
	var whole string
	if _, err := database.One(t.Context(), r.db.Reader(), "PRAGMA integrity_check", nil, &whole); err != nil || whole != "ok" {
		t.Errorf("integrity check: %q, error %v", whole, err)
	}
}

func TestReplacedFileIsUsed(t *testing.T) {
	r := replaceable(t)
	if err := os.Rename(r.backup, r.path); err != nil {
		t.Fatal(err)
	}
	r.check(t, 1)
	for i := range 100 {
		r.insert(t, fmt.Sprint(i))
	}
	r.check(t, 101)
	// The connections to the former file are closed by now, and the WAL of the new file
	// still exists: another process reads all rows.
	other := replaced{db: open(t, "sqlite:"+r.path)}
	other.check(t, 101)
	if err := r.db.Close(); err != nil {
		t.Fatal(err)
	}
	other.check(t, 101)
}

func TestRunningTransactionKeepsFormerFile(t *testing.T) {
	r := replaceable(t)
	err := r.db.InSnapshot(t.Context(), func(tx *database.Tx) error {
		if err := os.Rename(r.backup, r.path); err != nil {
			return err
		}
		r.insert(t, "new")
		r.insert(t, "newer")
		var n int
		if _, err := database.One(t.Context(), tx, "SELECT count(*) FROM note", nil, &n); err != nil || n != 2 {
			t.Errorf("the snapshot has %d rows, error %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, 3)
}

func TestMissingFileIsNotCreatedAgain(t *testing.T) {
	r := replaceable(t)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	err := r.db.InTx(t.Context(), func(tx *database.Tx) error { return insert(t.Context(), tx, "lost") })
	late, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	if !ok || !late.Timeout() {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Stat(r.path); !os.IsNotExist(err) {
		t.Errorf("the file was created: %v", err)
	}
	if err := os.Rename(r.backup, r.path); err != nil {
		t.Fatal(err)
	}
	r.check(t, 1)
}

// A copy of a running database has its newest rows in the WAL.
func TestWALFilesOfNewFileAreKept(t *testing.T) {
	from, r := replaceable(t), replaceable(t)
	from.insert(t, "more")
	for _, suffix := range []string{"-wal", ""} {
		copyFile(t, from.path+suffix, r.path+".new"+suffix)
		if err := os.Rename(r.path+".new"+suffix, r.path+suffix); err != nil {
			t.Fatal(err)
		}
	}
	r.check(t, 3)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, in.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}
