package database

import (
	"context"
	"database/sql/driver"
	"errors"
)

// preparedMost is how many statements a connection to SQLite keeps.
const preparedMost = 100

// prepared are the statements of one connection, by their texts: to prepare one
// takes SQLite longer than to run it. Like its connection it is for one
// goroutine at a time.
type prepared struct {
	statements map[string]*statement
	clock      int64
}

// statement is one that was prepared.
type statement struct {
	sqliteStmt

	used   int64 // when it was used last, by the clock
	inHand bool  // its rows are being read
}

// sqliteStmt is what the driver's statements do.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statement is the prepared one of a query, or nil: it is in hand.
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
	if s.inHand {
		return nil, nil //nolint:nilnil // The caller has another way.
	}
	s.used = c.prepared.clock
	return s, nil
}

// add keeps a statement, in the place of the one that was not used for longest.
func (p *prepared) add(query string, s *statement) error {
	if p.statements == nil {
		p.statements = make(map[string]*statement)
	}
	p.statements[query] = s
	if len(p.statements) <= preparedMost {
		return nil
	}
	oldest := query
	for text, other := range p.statements {
		if !other.inHand && text != query && (oldest == query || other.used < p.statements[oldest].used) {
			oldest = text
		}
	}
	if oldest == query {
		return nil // All others are in hand, which nobody could have done.
	}
	dropped := p.statements[oldest]
	delete(p.statements, oldest)
	return dropped.Close() //nolint:wrapcheck // It stands for the driver.
}

// ExecContext implements driver.ExecerContext.
func (c *fileConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.sqliteConn.ExecContext(ctx, query, args) //nolint:wrapcheck // It stands for the driver.
	}
	return s.ExecContext(ctx, args) //nolint:wrapcheck // As above.
}

// QueryContext implements driver.QueryerContext.
func (c *fileConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.sqliteConn.QueryContext(ctx, query, args) //nolint:wrapcheck // It stands for the driver.
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	s.inHand = true
	return &rowsInHand{Rows: rows, of: s}, nil
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

// rowsInHand are the rows of a prepared statement.
type rowsInHand struct {
	driver.Rows

	of *statement
}

// Close implements driver.Rows.
func (r *rowsInHand) Close() error {
	r.of.inHand = false
	return r.Rows.Close() //nolint:wrapcheck // It stands for the driver.
}
