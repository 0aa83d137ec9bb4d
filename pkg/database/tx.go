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

	after  []func()
	before []func() error
	rows   map[any]any // of each Batch
}

// AfterCommit has fn run once the transaction has committed, in the order in
// which they were given, on the goroutine that called InTx. After a rollback
// it is forgotten. A commit whose outcome the caller does not learn, because
// the connection or the process died, does not run it either: fn may only
// speed up what somebody finds in the database anyway.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// flush stores the rows of all batches.
func (tx *Tx) flush() error {
	for len(tx.before) > 0 {
		next := tx.before[0]
		tx.before = tx.before[1:]
		if err := next(); err != nil {
			return err
		}
	}
	return nil
}

// InTx runs fn in a transaction, and commits if it returns nil. Whoever is to
// take part in it is given tx: a statement of db itself is not part of it, and
// on SQLite waits for it in vain. A write transaction on SQLite holds the only
// write lock from its start: do nothing slow in fn.
func (db *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return db.begin(ctx, db.write, nil, fn)
}

// InSnapshot runs fn in a transaction that only reads: all its queries see the
// database as it was at the first one.
func (db *DB) InSnapshot(ctx context.Context, fn func(tx *Tx) error) error {
	return db.begin(ctx, db.read, db.Dialect.snapshot(), fn)
}

func (db *DB) begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(*Tx) error) error {
	begun, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", weather(err))
	}
	tx := &Tx{Tx: begun}
	// After Commit this is a no-op; it is for errors and for a panic in fn.
	defer begun.Rollback() //nolint:errcheck // The connection is discarded if it fails.

	err = fn(tx)
	if err == nil {
		err = tx.flush()
	}
	if err != nil {
		return weather(err)
	}
	if err := begun.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // That is what has undone it.
			err = ctx.Err()
		}
		return fmt.Errorf("commit: %w", weather(err))
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

// Nested runs fn, which is a part of the transaction: if fn fails, what it did
// is undone, its AfterCommit too, and the transaction may go on. Two statements
// are its price.
func (tx *Tx) Nested(ctx context.Context, fn func() error) error {
	if err := tx.flush(); err != nil { // Not the nested part's to undo.
		return err
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT nested"); err != nil {
		return fmt.Errorf("begin a nested transaction: %w", weather(err))
	}
	after := len(tx.after)
	err := fn()
	if err == nil {
		err = tx.flush()
	}
	if err == nil {
		if _, err = tx.ExecContext(ctx, "RELEASE SAVEPOINT nested"); err == nil {
			return nil
		}
		err = fmt.Errorf("end a nested transaction: %w", weather(err))
	}
	tx.after, tx.before, tx.rows = tx.after[:after], nil, nil
	if _, undo := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT nested; RELEASE SAVEPOINT nested"); undo != nil {
		return errors.Join(err, fmt.Errorf("undo a nested transaction: %w", weather(undo)))
	}
	return err
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
