package main

import (
	"context"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
)

// receiver is what a consumer is to do, inbox.Receive, or what it must not: the
// fault run breaks a guarantee to show that it would notice.
func receiver(
	broken string, inbox *outbox.Inbox, db *database.DB, router *event.Router[*database.Tx], group *errgroup.Group,
) (func(context.Context, []event.Message) error, error) {
	switch broken {
	case "":
		return inbox.Receive, nil
	case "ack": // Says that it has taken what it only has in memory.
		return func(ctx context.Context, batch []event.Message) error {
			group.Go(func() error {
				if err := inbox.Receive(context.WithoutCancel(ctx), batch); err != nil {
					slog.Error("taken, and lost", "events", len(batch), "error", err)
				}
				return nil
			})
			return nil
		}, nil
	case "inbox": // Does not remember what it has had, nor in which order.
		return func(ctx context.Context, batch []event.Message) error {
			for _, m := range batch {
				err := db.InTx(ctx, func(tx *database.Tx) error { return router.Dispatch(ctx, tx, m) })
				if err != nil {
					return fmt.Errorf("handle without an inbox: %w", err)
				}
				slog.Info("event handled", "type", m.Type, "id", m.ID)
			}
			return nil
		}, nil
	default:
		return nil, fmt.Errorf("PAYMENTS_BREAK is %q: ack, inbox or nothing", broken)
	}
}
