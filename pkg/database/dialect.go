package database

import (
	"context"
	"database/sql"
	"fmt"
)

// Dialect holds the differences between SQLite and PostgreSQL.
type Dialect uint8

// The two databases that a service runs on.
const (
	SQLite Dialect = iota
	Postgres
)

// ForUpdate ends a SELECT that locks its rows until the transaction ends. On
// SQLite a write transaction holds the only write lock anyway.
func (d Dialect) ForUpdate() string {
	if d == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// SkipLocked ends a SELECT that locks its rows until the transaction ends and
// leaves out rows that another transaction has locked.
func (d Dialect) SkipLocked() string {
	if d == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Conn takes a connection for a single owner, for example to hold a session lock.
// Close returns it to the pool in its present state.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a connection: %w", transient(err))
	}
	return conn, nil
}

func (d Dialect) snapshot() *sql.TxOptions {
	if d == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return nil // A deferred transaction of SQLite is a snapshot.
}
