package database

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// IsUnique reports whether err says that a row with this key exists.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// IsRejected reports whether the database rejected the data of a statement: a value
// that does not fit, or a broken constraint. The same statement fails again as long
// as the other rows stay the same: see IsConstraint.
func IsRejected(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
			return true
		default:
			return false
		}
	}
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

// IsConstraint reports whether a row broke a constraint: a key that exists or does
// not exist, a check. Other rows may be the cause, so that a later transaction may
// succeed.
func IsConstraint(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(e.Code, "23")
}

// IsConflict reports whether a transaction was aborted because of another
// transaction, by a deadlock or a serialization failure. A retry may well succeed.
func IsConflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01") // serialization, deadlock
}

// IsLockTimeout reports whether a statement waited for another transaction's lock
// longer than its lock_timeout.
func IsLockTimeout(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03"
}

// transientError is the error of an unavailable or slow database.
type transientError struct{ error }

func (e transientError) Unwrap() error { return e.error }

// Timeout has the meaning of net.Error and context.DeadlineExceeded: the database
// may answer later.
func (transientError) Timeout() bool { return true }

// transient marks an error that says nothing about the statement: the database is
// unreachable, starts or stops, or another process holds its lock.
func transient(err error) error {
	if isTransient(err) {
		return transientError{err}
	}
	return err
}

func isTransient(err error) bool {
	if err == nil {
		return false
	}
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
