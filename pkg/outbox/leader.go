package outbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"parley.internal/pkg/database"
)

const (
	leaderTry     = 400 * time.Millisecond // others look so often whether there still is a leader
	leaderCheck   = 400 * time.Millisecond // and the leader, whether it still is
	leaderSure    = 600 * time.Millisecond // which is certain for so long
	leaderTimeout = 2 * time.Second
	// leaderSilence is when PostgreSQL ends the session of a leader that is heard
	// of no more: its process is stopped, or its network cut.
	leaderSilence = "1500ms"
)

// leadership is held until it is released, or whoever holds it dies.
type leadership interface {
	// check returns an error if it is not certain that it was still held a moment
	// ago: what two publish in that moment, receivers take once.
	check(ctx context.Context) error
	// renew is check, whenever that was certain last.
	renew(ctx context.Context) error
	release() error
}

// lead tries to become the one that publishes the outbox. Nil: somebody else is.
func (o *Outbox) lead(ctx context.Context) (leadership, error) {
	if o.db.Dialect == database.Postgres {
		return leadSession(ctx, o.db, o.source)
	}
	var path string
	_, err := database.One(ctx, o.db.Reader(), "SELECT file FROM pragma_database_list WHERE name = 'main'", nil, &path)
	if err != nil {
		return nil, fmt.Errorf("find the database's file: %w", err)
	}
	return leadFile(path + "-relay")
}

// keepLeading calls end when a leadership is lost.
func keepLeading(ctx context.Context, end func(), l leadership) {
	tick := time.NewTicker(leaderCheck)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			if l.renew(ctx) != nil {
				end()
			}
		}
	}
}

// session is a leadership by an advisory lock of PostgreSQL, which ends with its
// connection.
type session struct {
	conn *sql.Conn
	held atomic.Int64 // when that was certain last, in nanoseconds
}

func leadSession(ctx context.Context, db *database.DB, source string) (leadership, error) {
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	key := fnv.New64a()
	_, _ = key.Write([]byte("relay " + source)) // A hash takes all.
	var won bool
	err = conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(key.Sum64())).Scan(&won) //nolint:gosec // Any 64 bits will do.
	if err == nil && !won {
		return nil, conn.Close() //nolint:wrapcheck // It goes back to the pool.
	}
	s := &session{conn: conn}
	if err == nil {
		// Older servers do not have the setting.
		_, err = conn.ExecContext(ctx, "SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'idle_session_timeout'",
			leaderSilence)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("become the leader: %w", err), s.release())
	}
	return s, nil
}

func (s *session) check(ctx context.Context) error {
	if time.Now().UnixNano()-s.held.Load() < int64(leaderSure) { // keepLeading asks more often: nobody waits for it.
		return nil
	}
	return s.renew(ctx)
}

func (s *session) renew(ctx context.Context) error {
	now := time.Now().UnixNano()
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("check that it leads: %w", err)
	}
	s.held.Store(now)
	return nil
}

// release ends the connection, and with it the lock: given back to the pool, it
// would still hold it.
func (s *session) release() error {
	if err := s.conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("end a leader's connection: %w", err)
	}
	return nil
}

// lockFile is a leadership by a lock on a file beside the database of SQLite.
// One on the database itself would keep others from writing.
type lockFile struct{ file *os.File }

func leadFile(path string) (leadership, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("become the leader: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = errors.Join(err, file.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil //nolint:nilnil // Somebody else is.
		}
		return nil, fmt.Errorf("become the leader: lock %s: %w", path, err)
	}
	return lockFile{file}, nil
}

func (lockFile) check(context.Context) error { return nil }
func (lockFile) renew(context.Context) error { return nil }

func (l lockFile) release() error { return l.file.Close() } //nolint:wrapcheck // It says what it was doing.
