package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Tx is a transaction under way.
type Tx struct {
	*sql.Tx

	db    *DB
	after []func()
}

// AfterCommit has fn run once the transaction has committed, in the order in
// which they were given, on the goroutine that called InTx. After a rollback
// it is forgotten. A commit whose outcome the caller does not learn, because
// the connection or the process died, does not run it either: fn may only
// speed up what somebody finds in the database anyway.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

type txKey struct{ db *DB }

func (db *DB) txOf(ctx context.Context) *Tx {
	tx, _ := ctx.Value(txKey{db}).(*Tx)
	return tx
}

// InTx runs fn in a transaction, and commits if it returns nil. If ctx already
// is in a transaction of this database, fn joins that one, and the outermost
// InTx commits. A write transaction on SQLite holds the only write lock from
// its start: do nothing slow in fn.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if tx := db.txOf(ctx); tx != nil {
		return fn(ctx, tx)
	}
	return db.begin(ctx, db.write, nil, fn)
}

// InSnapshot runs fn in a transaction that only reads: all its queries see the
// database as it was at the first one.
func (db *DB) InSnapshot(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if tx := db.txOf(ctx); tx != nil {
		return fn(ctx, tx)
	}
	return db.begin(ctx, db.read, db.Dialect.snapshot(), fn)
}

func (db *DB) begin(
	ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(context.Context, *Tx) error,
) error {
	begun, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", weather(err))
	}
	tx := &Tx{Tx: begun, db: db}
	// After Commit this is a no-op; it is for errors and for a panic in fn.
	defer begun.Rollback() //nolint:errcheck // The connection is discarded if it fails.

	if err := fn(context.WithValue(ctx, txKey{db}, tx), tx); err != nil {
		return weather(err)
	}
	if err := begun.Commit(); err != nil {
		return fmt.Errorf("commit: %w", weather(err))
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

// One runs query and scans its only row into dest. It reports whether there
// was one.
func One(ctx context.Context, q Querier, query string, args []any, dest ...any) (bool, error) {
	err := q.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, weather(err)
}

// All runs query and calls scan for each row.
func All[T any](
	ctx context.Context, q Querier, scan func(scan func(dest ...any) error) (T, error), query string, args ...any,
) (_ []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, weather(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []T
	for rows.Next() {
		one, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, weather(rows.Err())
}

// Affected is how many rows a statement changed.
func Affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected() //nolint:wrapcheck // The caller says what it was doing.
}
