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
	electionInterval = 400 * time.Millisecond // relays without the lease try to acquire it
	renewInterval    = 400 * time.Millisecond // the leader renews its lease
	leaseValidity    = 600 * time.Millisecond // a renewed lease needs no check this long, so publishing never waits
	leaseTimeout     = 2 * time.Second        // of a statement about the lease
	// sessionTimeout is when PostgreSQL ends the idle session of a leader: its
	// process is suspended, or its network is cut.
	sessionTimeout = "1500ms"
)

// lease makes a relay the leader until it releases the lease or its process dies.
type lease interface {
	// renew returns an error unless the lease is held. A renewal younger than recent
	// needs no check: should two relays publish in that moment, consumers deduplicate.
	renew(ctx context.Context, recent time.Duration) error
	release() error
}

// acquireLease tries to become the leader of an outbox. A nil lease means that another
// relay is the leader.
func acquireLease(ctx context.Context, db *database.DB, source string) (lease, error) {
	if db.Dialect == database.Postgres {
		return acquireSession(ctx, db, source)
	}
	var path string
	_, err := database.One(ctx, db.Reader(), "SELECT file FROM pragma_database_list WHERE name = 'main'", nil, &path)
	if err != nil {
		return nil, fmt.Errorf("find the file of the database: %w", err)
	}
	return acquireFile(path + "-relay")
}

// sessionLease is an advisory lock of PostgreSQL, which ends with its connection.
type sessionLease struct {
	conn     *sql.Conn
	acquired time.Time
	renewed  atomic.Int64 // the last renewal, in nanoseconds after acquired by the monotonic clock
}

func acquireSession(ctx context.Context, db *database.DB, source string) (lease, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	key := fnv.New64a()
	_, _ = key.Write([]byte("relay " + source)) // A hash accepts all input.
	var acquired bool
	err = conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(key.Sum64())).Scan(&acquired) //nolint:gosec // Any 64 bits will do.
	if err == nil && !acquired {
		return nil, conn.Close() // The connection returns to the pool.
	}
	l := &sessionLease{conn: conn, acquired: time.Now()}
	if err == nil {
		// Older servers do not have the setting.
		_, err = conn.ExecContext(ctx, "SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'idle_session_timeout'",
			sessionTimeout)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("acquire the relay lease: %w", err), l.release())
	}
	return l, nil
}

func (l *sessionLease) renew(ctx context.Context, recent time.Duration) error {
	now := int64(time.Since(l.acquired))
	if now-l.renewed.Load() < int64(recent) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	if _, err := l.conn.ExecContext(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("renew the relay lease: %w", err)
	}
	l.renewed.Store(now)
	return nil
}

// release closes the connection and thereby the lock: in the pool, the connection
// would still hold the lock.
func (l *sessionLease) release() error {
	err := l.conn.Raw(func(any) error { return driver.ErrBadConn })
	if !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("close the connection of the relay lease: %w", err)
	}
	return nil
}

// fileLease is a lock on a file beside the database of SQLite. A lock on the database
// itself would block its writers.
type fileLease struct{ file *os.File }

func acquireFile(path string) (lease, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("acquire the relay lease: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return fileLease{file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, file.Close() // Another relay is the leader.
	default:
		return nil, fmt.Errorf("acquire the relay lease: lock %s: %w", path, errors.Join(err, file.Close()))
	}
}

func (fileLease) renew(context.Context, time.Duration) error { return nil }
func (l fileLease) release() error                           { return l.file.Close() }
