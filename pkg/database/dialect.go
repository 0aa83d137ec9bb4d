package database

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Dialect is what SQLite and PostgreSQL do not have in common.
type Dialect uint8

// The two databases that a service runs on.
const (
	SQLite Dialect = iota
	Postgres
)

// ForUpdate ends a SELECT that locks its rows until the transaction ends. On
// SQLite a transaction has the only write lock anyway.
func (d Dialect) ForUpdate() string {
	if d == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

func (d Dialect) snapshot() *sql.TxOptions {
	if d == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return nil // A deferred transaction of SQLite is a snapshot.
}

// IsUnique reports whether err says that a row with this key exists.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// IsRefused reports whether the database refused what a statement holds: a
// value that does not fit, or breaks a rule. Trying it again is pointless.
func IsRefused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data, integrity, limits
		return true
	default:
		return false
	}
}

// awayError is a database that does not answer, or not in time.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

// Timeout is what net.Error and context.DeadlineExceeded call it: it may answer
// later.
func (awayError) Timeout() bool { return true }

// weather marks an error that says nothing about the statement: the database is
// away, starts or stops, or somebody else holds its lock.
func weather(err error) error {
	switch {
	case err == nil:
		return nil
	case isAway(err):
		return awayError{err}
	default:
		return err
	}
}

func isAway(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "57P01", "57P02", "57P03", "53300": // shut down, crashed, starting, too many connections
			return true
		default:
			return strings.HasPrefix(e.Code, "08")
		}
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// List is "($from, $from+1, …)" for n arguments, to follow an IN.
func List(from, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(", $")
		b.WriteString(strconv.Itoa(from + i))
	}
	return "(" + strings.TrimPrefix(b.String(), ", ") + ")"
}
