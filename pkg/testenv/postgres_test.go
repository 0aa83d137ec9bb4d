package testenv_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.internal/pkg/testenv"
)

func query(t *testing.T, url, statement string) error {
	t.Helper()
	return queryWithin(t, url, statement, soon)
}

func queryWithin(t *testing.T, url, statement string, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func TestEachCallGetsOwnDatabase(t *testing.T) {
	here, there := testenv.Postgres(t), testenv.Postgres(t)
	if err := query(t, here, "CREATE TABLE note (id text)"); err != nil {
		t.Fatal(err)
	}
	if err := query(t, there, "SELECT id FROM note"); err == nil {
		t.Error("a table of the first database exists in the second")
	}
}

func TestDatabaseIsDroppedDespiteConnections(t *testing.T) {
	var database string
	t.Run("inner test", func(inner *testing.T) {
		database = testenv.Postgres(inner)
		conn, err := pgx.Connect(t.Context(), database)
		if err != nil {
			inner.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
	})
	if err := query(t, database, "SELECT 1"); err == nil {
		t.Error("database exists after the end of its test")
	}
}

func TestPostgresFromEnvironment(t *testing.T) {
	given := testenv.StartPostgres(t)
	t.Setenv("TEST_POSTGRES_URL", given.URL())
	want, err := url.Parse(given.URL())
	if err != nil {
		t.Fatal(err)
	}
	got, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	if got.Host != want.Host || got.Path == want.Path {
		t.Errorf("got database %s, want a new one on %s", got, want)
	}
	if err := query(t, got.String(), "SELECT 1"); err != nil {
		t.Error(err)
	}
}

func TestPostgresFaults(t *testing.T) {
	s := testenv.StartPostgres(t)
	if err := query(t, s.URL(), "CREATE TABLE note (id text)"); err != nil {
		t.Fatal(err)
	}

	t.Run("freeze and thaw", func(t *testing.T) {
		s.Freeze()
		if err := queryWithin(t, s.URL(), "SELECT 1", never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v from a frozen server, want a timeout", err)
		}
		s.Thaw()
		if err := query(t, s.URL(), "SELECT 1"); err != nil {
			t.Error(err)
		}
	})

	for name, end := range map[string]func(){"killed": s.Kill, "stopped": s.Stop, "frozen and killed": func() {
		s.Freeze()
		s.Kill()
	}} {
		t.Run(name+" server keeps its data", func(t *testing.T) {
			if err := query(t, s.URL(), "INSERT INTO note VALUES ('x')"); err != nil {
				t.Fatal(err)
			}
			end()
			if err := query(t, s.URL(), "SELECT 1"); err == nil {
				t.Error("connected to a server that is not running")
			}
			s.Start()
			if err := query(t, s.URL(), "DELETE FROM note WHERE 1 / (SELECT count(*) FROM note) = 1"); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("kill ends every process", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		s.Restart()
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("a connection outlived the server")
		}
	})
}
