package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
)

type renewed struct {
	Number string `json:"number"`
}

func (renewed) Type() string { return "Renewed" }

// A service tells in the transaction that changes something; another one, here
// in the same process and database, is told once.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	folder, err := os.MkdirTemp("", "outbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(folder, "example.db"))
	if err != nil {
		panic(err)
	}
	if err := outbox.Migrate(ctx, db); err != nil {
		panic(err)
	}
	log := slog.New(slog.DiscardHandler)

	var router event.Router[*database.Tx]
	event.Handle(&router, func(_ context.Context, tx *database.Tx, _ event.Message, e renewed) error {
		fmt.Println("told of", e.Number)
		stop()
		return nil
	})
	var transport event.Direct
	inbox := outbox.NewInbox(db, "reader", &router, log)
	subscribed := transport.Subscribe(inbox.Subscription())
	done := make(chan error, 2)
	go func() { done <- subscribed(ctx) }()

	box := outbox.New(db, "writer", log)
	err = db.InTx(ctx, func(tx *database.Tx) error {
		return box.Write(ctx, tx, "P-1", renewed{Number: "P-1"})
	})
	if err != nil {
		panic(err)
	}
	go func() { done <- outbox.NewRelay(box, &transport).Run(ctx) }()
	fmt.Println(<-done, <-done, db.Close())
	// Output:
	// told of P-1
	// <nil> <nil> <nil>
}
