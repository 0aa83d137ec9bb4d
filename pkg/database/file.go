package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"modernc.org/sqlite"
)

// file is the file of a SQLite database. Renaming another file to its path while the
// process runs replaces the database: later transactions use the new file.
// Overwriting the file in place is not noticed and corrupts the database.
type file struct {
	path string

	mu   sync.Mutex
	self fs.FileInfo // the file at the path when the last connection was opened
	// The WAL and shared-memory files of SQLite, by name. They belong to a single
	// database file: read together with another file they would undo the
	// replacement, or corrupt the database.
	beside map[string]fs.FileInfo
}

var errOtherDriver = errors.New("open database: unexpected SQLite driver")

// fileConnector opens connections to a file.
type fileConnector struct {
	driver.Connector

	file *file
}

// Connect implements driver.Connector.
func (c fileConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c.file.mu.Lock()
	defer c.file.mu.Unlock()
	self, err := os.Stat(c.file.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = transientError{err} // A replacement may be under way; an empty file must not be created instead.
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if c.file.self != nil && !os.SameFile(c.file.self, self) {
		if err := c.file.leave(); err != nil {
			return nil, fmt.Errorf("open replaced database: %w", err)
		}
	}
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(sqliteConn)
	if !ok {
		return nil, errors.Join(errOtherDriver, opened.Close())
	}
	if err := c.file.use(ctx, conn, self); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), opened.Close())
	}
	return &fileConn{sqliteConn: conn, file: c.file, self: self}, nil
}

// use records the files of a new connection.
func (f *file) use(ctx context.Context, conn sqliteConn, self fs.FileInfo) error {
	// The first read creates the files beside the database.
	rows, err := conn.QueryContext(ctx, "SELECT count(*) FROM sqlite_schema", nil)
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return err
	}
	f.self, f.beside = self, make(map[string]fs.FileInfo)
	for _, name := range []string{f.path + "-wal", f.path + "-shm"} {
		if info, err := os.Stat(name); err == nil {
			f.beside[name] = info
		}
	}
	return nil
}

// leave removes the WAL files of the former database from beside the new file.
func (f *file) leave() error {
	for name, former := range f.beside {
		if now, err := os.Stat(name); err != nil || !os.SameFile(former, now) {
			continue // It belongs to the new file, or is gone.
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	f.beside = nil
	return nil
}

// sqliteConn lists the interfaces of database/sql that the driver's connections
// implement.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// fileConn is a connection that leaves the pool once its file has been replaced.
// SQLite does not touch the new file when the connection closes.
type fileConn struct {
	sqliteConn

	file     *file
	self     fs.FileInfo
	prepared prepared
}

// ResetSession implements driver.SessionResetter.
func (c *fileConn) ResetSession(ctx context.Context) error {
	if now, err := os.Stat(c.file.path); err != nil || !os.SameFile(c.self, now) {
		return driver.ErrBadConn
	}
	return c.sqliteConn.ResetSession(ctx)
}

// connector opens connections to the file, for one pool.
func (f *file) connector(query string) (driver.Connector, error) {
	c, err := sqlite.NewConnector("file:" + f.path + "?mode=rw&" + query)
	if err != nil {
		return nil, err
	}
	return fileConnector{Connector: c, file: f}, nil
}
