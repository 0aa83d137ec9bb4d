package inbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
)

// A transport delivers an event twice; the handler runs once.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "inbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(folder, "example.db"))
	if err != nil {
		panic(err)
	}
	if err := inbox.Migrate(ctx, db); err != nil {
		panic(err)
	}
	var router event.Router[*database.Tx]
	event.Handle(&router, func(_ context.Context, _ *database.Tx, m event.Message, e sold) error {
		fmt.Println("handled", m.ID, e.Number)
		return nil // Rows written through the transaction commit with the event's id.
	})
	in := inbox.New(db, "reader", &router, slog.New(slog.DiscardHandler))
	message := event.Message{ID: "1", Type: "Sold", Source: "policy", Data: []byte(`{"number":"P-1"}`)}
	for range 2 {
		if err := in.Receive(ctx, []event.Message{message}); err != nil {
			panic(err)
		}
	}
	fmt.Println(in.Counts().Handled, "handled,", in.Counts().Duplicates, "duplicate", db.Close())
	// Output:
	// handled 1 P-1
	// 1 handled, 1 duplicate <nil>
}
