package database

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Column is a column of a table argument. Values is a []string, a []int64 or a
// [][]byte.
type Column struct {
	Name   string
	Values any
}

// NewColumn returns a column with a value of each row.
func NewColumn[Row any, V string | int64 | []byte](name string, rows []Row, value func(Row) V) Column {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return Column{Name: name, Values: values}
}

// Table returns a FROM item called name, and its arguments from $first on: a table
// of columns of equal length, at least one, that a statement receives as a few
// arguments, whatever its number of rows. Texts must be valid UTF-8.
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

// WithTable puts a table t of columns in place of the %s of a statement, and
// appends the table's arguments to args.
func (d Dialect) WithTable(statement string, columns []Column, args ...any) (text string, all []any, err error) {
	table, more, err := d.Table("t", len(args)+1, columns...)
	if err != nil {
		return "", nil, err
	}
	return strings.Replace(statement, "%s", table, 1), append(args, more...), nil
}

// ExecTable runs a statement with a table t of columns in place of its %s.
func (tx *Tx) ExecTable(ctx context.Context, statement string, columns []Column, args ...any) error {
	text, all, err := tx.dialect.WithTable(statement, columns, args...)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, text, all...)
	return err
}

// AllTable runs a query with a table t of columns in place of its %s and calls
// scan for each row.
func AllTable[T any](
	ctx context.Context, tx *Tx, scan func(scan func(dest ...any) error) (T, error), query string, columns []Column, args ...any,
) ([]T, error) {
	text, all, err := tx.dialect.WithTable(query, columns, args...)
	if err != nil {
		return nil, err
	}
	return All(ctx, tx, scan, text, all...)
}

// jsonTable is Table for SQLite, which has no arrays: the rows are a JSON array in
// a single argument.
func jsonTable(name string, first int, columns []Column) (text string, args []any, err error) {
	rows := make([][]any, reflect.ValueOf(columns[0].Values).Len())
	var fields []string
	for at, c := range columns {
		values, field := reflect.ValueOf(c.Values), fmt.Sprintf("value ->> %d", at)
		_, binary := c.Values.([][]byte)
		if binary {
			field = "unhex(" + field + ")"
		}
		for i := range rows {
			value := values.Index(i).Interface()
			if binary {
				value = hex.EncodeToString(values.Index(i).Bytes())
			}
			rows[i] = append(rows[i], value)
		}
		fields = append(fields, field+" AS "+c.Name)
	}
	data, err := json.Marshal(rows)
	if err != nil {
		return "", nil, fmt.Errorf("make a table of %s: %w", name, err)
	}
	return fmt.Sprintf("(SELECT %s FROM json_each($%d)) AS %s", strings.Join(fields, ", "), first, name),
		[]any{string(data)}, nil
}

// List returns "($from, $from+1, …)" for n arguments, to follow an IN.
func List(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", $%d", from+i)
	}
	return "(" + strings.TrimPrefix(b.String(), ", ") + ")"
}

// Text returns s as both databases store it: bytes that are not UTF-8, and zero
// bytes, become U+FFFD.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

const (
	estimateFrom = 20_000  // rows; fewer are counted
	countLimit   = 200_000 // rows that SQLite counts: it keeps no size of a table
)

// Estimate returns how many rows of a table match a condition. PostgreSQL takes a
// large number from the statistics of relation, a table or a partial index; SQLite
// counts, and stops at 200,000.
func (db *DB) Estimate(ctx context.Context, table, relation, condition string) (n int64, err error) {
	if db.Dialect == Postgres {
		_, err := One(ctx, db.read,
			"SELECT CAST(reltuples AS bigint) FROM pg_class WHERE oid = to_regclass('"+relation+"')", nil, &n)
		if err != nil || n > estimateFrom {
			return n, err
		}
	}
	_, err = One(ctx, db.read,
		"SELECT count(*) FROM (SELECT 1 FROM "+table+" WHERE "+condition+" LIMIT $1) AS counted", []any{countLimit}, &n)
	return n, err
}
