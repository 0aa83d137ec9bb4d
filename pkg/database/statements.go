package database

import (
	"context"
	"database/sql/driver"
	"errors"
)

// preparedLimit is how many statements a connection to SQLite keeps.
const preparedLimit = 100

// prepared caches the prepared statements of a connection by their texts: SQLite
// takes longer to prepare a statement than to run it. Like its connection, prepared
// is for a single goroutine at a time.
type prepared struct {
	statements map[string]*statement
	clock      int64
}

// statement is a prepared statement.
type statement struct {
	sqliteStmt

	used int64 // the last use, by the clock of prepared
	busy bool  // its rows are being read
}

// sqliteStmt lists the interfaces that the driver's statements implement.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statement returns the prepared statement of a query, or nil if its rows are being
// read.
func (c *fileConn) statement(ctx context.Context, query string) (*statement, error) {
	c.prepared.clock++
	s := c.prepared.statements[query]
	if s == nil {
		made, err := c.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		of, ok := made.(sqliteStmt)
		if !ok {
			return nil, errors.Join(errOtherDriver, made.Close())
		}
		s = &statement{sqliteStmt: of}
		if err := c.prepared.add(query, s); err != nil {
			return nil, err
		}
	}
	if s.busy {
		return nil, nil //nolint:nilnil // The caller runs the query unprepared.
	}
	s.used = c.prepared.clock
	return s, nil
}

// add caches a statement and drops the least recently used statement beyond the limit.
func (p *prepared) add(query string, s *statement) error {
	if p.statements == nil {
		p.statements = make(map[string]*statement)
	}
	p.statements[query] = s
	if len(p.statements) <= preparedLimit {
		return nil
	}
	oldest := query
	for text, other := range p.statements {
		if !other.busy && text != query && (oldest == query || other.used < p.statements[oldest].used) {
			oldest = text
		}
	}
	if oldest == query {
		return nil // All others are busy, which cannot happen with so many.
	}
	dropped := p.statements[oldest]
	delete(p.statements, oldest)
	return dropped.Close()
}

// ExecContext implements driver.ExecerContext.
func (c *fileConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *fileConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &busyRows{Rows: rows, of: s}, nil
}

// Close implements driver.Conn.
func (c *fileConn) Close() error {
	var err error
	for _, s := range c.prepared.statements {
		err = errors.Join(err, s.Close())
	}
	c.prepared.statements = nil
	return errors.Join(err, c.sqliteConn.Close())
}

// busyRows are the rows of a prepared statement.
type busyRows struct {
	driver.Rows

	of *statement
}

// Close implements driver.Rows.
func (r *busyRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
