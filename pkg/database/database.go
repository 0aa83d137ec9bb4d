// Package database opens a service's own database, SQLite or PostgreSQL,
// behind one set of queries.
//
// Its promise: what InTx returned nil for is on disk, and what was to happen
// after the commit (Tx.AfterCommit) happens only then.
//
// Queries use $1, $2 … on both. Money is bigint minor units, an instant bigint
// microseconds since 1970 (see Instant), a date text, bytes are bytea.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Querier runs statements: a Tx, or a DB outside of one.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	Dialect Dialect

	write *sql.DB
	read  *sql.DB // the same pool as write on PostgreSQL
}

// SQLite takes one writer at a time: a second connection would only wait. It
// reads beside it, from a snapshot.
const (
	sqliteReaders = 4
	sqlitePragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)" +
		"&_pragma=foreign_keys(1)&_time_format=sqlite&_timezone=UTC"
	postgresConns = 20
)

// Open opens the database that url names: "sqlite:PATH" (made when missing,
// its folder too) or "postgres://…". It does not migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	var db *DB
	var err error
	switch scheme {
	case "sqlite":
		db, err = openSQLite(rest)
	case "postgres", "postgresql":
		db, err = openPostgres(url)
	default:
		return nil, fmt.Errorf("open database: %q is neither sqlite:PATH nor postgres://…", scheme)
	}
	if err != nil {
		return nil, err
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func openSQLite(path string) (*DB, error) {
	if path == "" || strings.ContainsAny(path, "?#") {
		return nil, fmt.Errorf("open database: %q is not a path for SQLite", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if err := private(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	f := &file{path: path}
	write, err := f.connector(sqlitePragmas + "&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	read, err := f.connector(sqlitePragmas + "&_pragma=query_only(1)&_txlock=deferred")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db := &DB{Dialect: SQLite, write: sql.OpenDB(write), read: sql.OpenDB(read)}
	db.write.SetMaxOpenConns(1)
	db.read.SetMaxOpenConns(sqliteReaders)
	return db, nil
}

// private makes the file, readable by this user alone: SQLite gives the files
// beside it the same mode.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // openSQLite says what it was doing.
	}
	return file.Close() //nolint:wrapcheck // As above.
}

// standStill is how long PostgreSQL lets a transaction wait for its next
// statement. A process that is stopped in the middle of one would keep its locks
// from all others for as long.
const standStill = 20 * time.Second

func openPostgres(url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	const setting = "idle_in_transaction_session_timeout"
	if config.RuntimeParams[setting] == "" {
		config.RuntimeParams[setting] = strconv.FormatInt(standStill.Milliseconds(), 10)
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	return &DB{Dialect: Postgres, write: pool, read: pool}, nil
}

// Ping asks the database whether it answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	return nil
}

// Close waits for what is running and closes the connections.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Reader runs queries outside of a transaction: each sees what has been committed.
func (db *DB) Reader() Querier { return db.read }

// Instant is t as the database stores it: microseconds since 1970, UTC.
func Instant(t time.Time) int64 { return t.UnixMicro() }

// Time is the instant that the database stored as micros, in UTC.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Exec runs one statement in a transaction of its own.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return db.write.ExecContext(ctx, query, args...)
}
