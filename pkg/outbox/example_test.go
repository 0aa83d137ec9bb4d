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

// A service writes an event in the transaction of its business rows; the relay
// publishes the event.
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
	var transport event.Direct
	subscribed := transport.Subscribe(event.Subscription{
		Name: "reader", Types: []string{"Renewed"},
		Receive: func(_ context.Context, batch []event.Message) error {
			for _, m := range batch {
				fmt.Println(m.Type, m.PartitionKey, m.Sequence, string(m.Data))
			}
			stop()
			return nil
		},
	})
	done := make(chan error, 2)
	go func() { done <- subscribed(ctx) }()

	box := outbox.New(db, "writer", slog.New(slog.DiscardHandler))
	err = db.InTx(ctx, func(tx *database.Tx) error {
		return box.Write(ctx, tx, "P-1", renewed{Number: "P-1"})
	})
	if err != nil {
		panic(err)
	}
	go func() { done <- outbox.NewRelay(box, &transport).Run(ctx) }()
	fmt.Println(<-done, <-done, db.Close())
	// Output:
	// Renewed P-1 1 {"number":"P-1"}
	// <nil> <nil> <nil>
}
