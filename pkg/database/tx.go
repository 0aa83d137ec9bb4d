package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Tx is a running transaction.
type Tx struct {
	*sql.Tx

	dialect Dialect
	after   []func()
	before  []func() error
	rows    map[any]any // by Batch
}

// AfterCommit runs fn after a successful commit, on the goroutine that called
// InTx; several functions run in the order of the calls. A rollback drops fn. So
// does a commit with an unknown outcome, because the connection or the process
// died: fn may only speed up work and must not be the only trigger.
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

// InTx runs fn in a transaction and commits if fn returns nil. Only statements of
// tx belong to the transaction. A statement of db does not, and on SQLite waits for
// the transaction's end in vain. A write transaction on SQLite holds the only write
// lock from its start: do nothing slow in fn.
func (db *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return db.begin(ctx, db.write, nil, fn)
}

// InSnapshot runs fn in a read-only transaction: all queries of tx see the database
// as of the first query.
func (db *DB) InSnapshot(ctx context.Context, fn func(tx *Tx) error) error {
	return db.begin(ctx, db.read, db.Dialect.snapshot(), fn)
}

func (db *DB) begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(*Tx) error) error {
	begun, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", transient(err))
	}
	tx := &Tx{Tx: begun, dialect: db.Dialect}
	// After Commit this is a no-op; it is for errors and for a panic in fn.
	defer begun.Rollback() //nolint:errcheck // The connection is discarded if it fails.

	err = fn(tx)
	if err == nil {
		err = tx.flush()
	}
	if err != nil {
		return transient(err)
	}
	if err := begun.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // The end of ctx rolled the transaction back.
			err = ctx.Err()
		}
		return fmt.Errorf("commit: %w", transient(err))
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}

// Savepoint runs fn as a part of the transaction. If fn fails, its statements and
// its AfterCommit functions are undone, and the transaction may go on. A savepoint
// costs two statements.
func (tx *Tx) Savepoint(ctx context.Context, fn func() error) error {
	if err := tx.flush(); err != nil { // Rows added earlier must survive a rollback to the savepoint.
		return err
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT part"); err != nil {
		return fmt.Errorf("set a savepoint: %w", transient(err))
	}
	after := len(tx.after)
	err := fn()
	if err == nil {
		err = tx.flush()
	}
	if err == nil {
		if _, err = tx.ExecContext(ctx, "RELEASE SAVEPOINT part"); err == nil {
			return nil
		}
		err = fmt.Errorf("release a savepoint: %w", transient(err))
	}
	tx.after, tx.before, tx.rows = tx.after[:after], nil, nil
	if _, undo := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part"); undo != nil {
		return errors.Join(err, fmt.Errorf("roll back to a savepoint: %w", transient(undo)))
	}
	return err
}

// One runs query and scans its only row into dest. It reports whether the row
// exists.
func One(ctx context.Context, q Querier, query string, args []any, dest ...any) (bool, error) {
	err := q.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, transient(err)
}

// All runs query and calls scan for each row.
func All[T any](
	ctx context.Context, q Querier, scan func(scan func(dest ...any) error) (T, error), query string, args ...any,
) (_ []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, transient(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []T
	for rows.Next() {
		row, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, transient(rows.Err())
}

// Affected returns how many rows a statement changed.
func Affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
