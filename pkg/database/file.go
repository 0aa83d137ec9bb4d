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

// file is the file of a SQLite database. It may be replaced, by renaming another
// one to its path, while the process runs: whatever begins after that uses the
// file that is there then. Overwriting it in place is not noticed, and breaks it.
type file struct {
	path string

	mu   sync.Mutex
	self fs.FileInfo // what was at the path when the last connection was opened
	// What SQLite keeps beside it, by name. These belong to one file: read
	// together with another they would undo the replacement, or break it.
	beside map[string]fs.FileInfo
}

var errOtherDriver = errors.New("open database: the driver is another one than this was written for")

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
		err = awayError{err} // It may be just being replaced; an empty one must not be made instead.
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

// use remembers what a new connection works on.
func (f *file) use(ctx context.Context, conn sqliteConn, self fs.FileInfo) error {
	// Reading makes what SQLite keeps beside the file.
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

// leave removes what the former file has left beside the one at its path now.
func (f *file) leave() error {
	for name, former := range f.beside {
		if now, err := os.Stat(name); err != nil || !os.SameFile(former, now) {
			continue // It came with the new file, or is gone.
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	f.beside = nil
	return nil
}

// sqliteConn is all that the driver's connections do for database/sql.
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

// fileConn is a connection that is not used again once its file has been
// replaced. SQLite itself leaves the new one alone when it closes it.
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
