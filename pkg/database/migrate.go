package database

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A node that starts while another node migrates checks every second, for five
// minutes, whether the migration has finished.
const (
	lockEvery = 1
	lockTries = 300
)

// Migrate brings the tables of an owner, a service or a library with tables of its
// own, up to the newest of the folder migrations: files NNNNN_name.sql in the format of
// goose, the same text for both databases, or NNNNN_name.sqlite.sql and
// NNNNN_name.postgres.sql for a single database. The table migration_OWNER records
// the finished migrations. Several nodes may start at once.
func Migrate(ctx context.Context, db *DB, owner string, files fs.FS) error {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	opts := []goose.ProviderOption{
		goose.WithTableName("migration_" + owner),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	dialect, other := goose.DialectSQLite3, ".postgres.sql"
	if db.Dialect == Postgres {
		dialect, other = goose.DialectPostgres, ".sqlite.sql"
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
		if err != nil {
			return fmt.Errorf("migrate %s: %w", owner, err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	foreign, err := fs.Glob(migrations, "*"+other)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	opts = append(opts, goose.WithExcludeNames(foreign))
	provider, err := goose.NewProvider(dialect, db.write, migrations, opts...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", owner, err)
	}
	return nil
}
