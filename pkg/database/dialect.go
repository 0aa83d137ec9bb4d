package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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

// SkipLocked ends a SELECT that locks its rows until the transaction ends, and
// leaves out those that somebody else has locked.
func (d Dialect) SkipLocked() string {
	if d == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Column is a column of a Table. Values is a []string, a []int64 or a [][]byte.
type Column struct {
	Name   string
	Values any
}

// Table is a table of columns, all of one length, which a statement is handed as
// a few arguments, however many rows it has: text follows a FROM and calls it
// name, args are those from $first on. Texts must be valid UTF-8.
func (d Dialect) Table(name string, first int, columns ...Column) (text string, args []any, err error) {
	if d != Postgres {
		return jsonTable(name, first, columns)
	}
	var arrays, names []string
	for i, c := range columns {
		kind := "text"
		switch c.Values.(type) {
		case []int64:
			kind = "bigint"
		case [][]byte:
			kind = "bytea"
		default:
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", first+i, kind))
		names, args = append(names, c.Name), append(args, c.Values)
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS " + name + " (" + strings.Join(names, ", ") + ")", args, nil
}

// jsonTable is a Table for SQLite, which has no arrays: one argument, a JSON
// array of rows.
func jsonTable(name string, first int, columns []Column) (text string, args []any, err error) {
	var rows [][]any
	var fields []string
	cell := func(i int, value any) {
		if i == len(rows) {
			rows = append(rows, nil)
		}
		rows[i] = append(rows[i], value)
	}
	for at, c := range columns {
		field := fmt.Sprintf("value ->> %d", at)
		switch values := c.Values.(type) {
		case []string:
			for i, v := range values {
				cell(i, v)
			}
		case []int64:
			for i, v := range values {
				cell(i, v)
			}
		case [][]byte:
			field = "unhex(" + field + ")"
			for i, v := range values {
				cell(i, hex.EncodeToString(v))
			}
		default:
		}
		fields = append(fields, field+" AS "+c.Name)
	}
	data, err := json.Marshal(rows)
	if err != nil {
		return "", nil, fmt.Errorf("make a table of %s: %w", name, err)
	}
	if rows == nil {
		data = []byte("[]")
	}
	return fmt.Sprintf("(SELECT %s FROM json_each($%d)) AS %s", strings.Join(fields, ", "), first, name),
		[]any{string(data)}, nil
}

// Conn is a connection for one owner, such as one that holds a lock as long as
// it lives. Close gives it back to the pool as it is.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a connection: %w", weather(err))
	}
	return conn, nil
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
// value that does not fit, or breaks a rule. The same statement will not do
// better, as long as the other rows are what they are: see IsConstraint.
func IsRefused(err error) bool {
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

// IsConstraint reports whether a row broke a rule: a key that exists or one that
// does not, a check. Other rows may have to do with it, so that a transaction that
// looks at them anew may succeed.
func IsConstraint(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(e.Code, "23")
}

// IsConflict reports whether a transaction was given up because of another one:
// the same again may well succeed.
func IsConflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01") // serialization, deadlock
}

// IsLocked reports whether a statement waited for another transaction's lock for
// longer than it may.
func IsLocked(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03"
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
