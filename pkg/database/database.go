// Package database opens a service's own database, SQLite or PostgreSQL, and runs
// the same queries on both.
//
// When InTx returns nil, the transaction is on disk; functions registered with
// Tx.AfterCommit run only then. A transaction is an argument, never a value of a
// context.
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

// Querier runs statements: a Tx, or DB.Reader outside of a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database, safe for concurrent use.
type DB struct {
	Dialect Dialect

	write *sql.DB
	read  *sql.DB // the same pool as write on PostgreSQL
}

// SQLite has a single writer at a time: a second connection would only wait.
// Readers work beside the writer, from a snapshot.
const (
	sqliteReaders = 4
	sqlitePragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)" +
		"&_pragma=foreign_keys(1)&_time_format=sqlite&_timezone=UTC"
	postgresConns = 20
)

// Open opens the database at url: "sqlite:PATH" (the file and its folder are created
// when missing) or "postgres://…". Open does not migrate.
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

// private creates the file, readable by this user alone: SQLite gives its WAL files
// the same mode.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// idleInTransaction is how long PostgreSQL lets a transaction wait for its next
// statement. A process that is suspended in a transaction holds its locks this long.
const idleInTransaction = 20 * time.Second

func openPostgres(url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	const setting = "idle_in_transaction_session_timeout"
	if config.RuntimeParams[setting] == "" {
		config.RuntimeParams[setting] = strconv.FormatInt(idleInTransaction.Milliseconds(), 10)
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	return &DB{Dialect: Postgres, write: pool, read: pool}, nil
}

// Ping checks that the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	return nil
}

// Close waits for running statements and closes the connections.
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

// Reader returns the read pool for queries outside of a transaction: each query sees
// the committed rows.
func (db *DB) Reader() Querier { return db.read }

// Instant returns t as stored: microseconds since 1970, UTC.
func Instant(t time.Time) int64 { return t.UnixMicro() }

// Time returns the stored instant micros as a time in UTC.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Exec runs a statement in a transaction of its own.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return db.write.ExecContext(ctx, query, args...)
}
