// Package databasetest runs a test on each database that a service runs on.
package databasetest

import (
	"path/filepath"
	"testing"

	"parley.internal/pkg/testenv"
)

// Each runs test on SQLite and on PostgreSQL. Each call of url gives the
// address of a new, empty database.
func Each(t *testing.T, test func(t *testing.T, url func(t *testing.T) string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		test(t, func(t *testing.T) string {
			t.Helper()
			return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, func(t *testing.T) string {
			t.Helper()
			return testenv.Postgres(t)
		})
	})
}
