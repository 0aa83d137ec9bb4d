package database_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing/fstest"

	"parley.internal/pkg/database"
)

func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "database")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(folder, "example.db")) // or postgres://…
	if err != nil {
		panic(err)
	}
	err = database.Migrate(ctx, db, "example", fstest.MapFS{"migrations/00001_note.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL);\n")}})
	if err != nil {
		panic(err)
	}

	err = db.InTx(ctx, func(tx *database.Tx) error {
		tx.AfterCommit(func() { fmt.Println("committed") })
		_, err := tx.ExecContext(ctx, "INSERT INTO note (id, body) VALUES ($1, $2)", 1, "hello")
		return err
	})
	fmt.Println(err, db.Close())
	// Output:
	// committed
	// <nil> <nil>
}
