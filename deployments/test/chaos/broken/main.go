// Command broken is paymentsd without one of its guarantees. The fault run
// starts it to show that the loss of the guarantee would be noticed.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"parley.internal/payments"
	"parley.internal/payments/store"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
)

func main() {
	if err := run(context.Background(), os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "broken:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	db, err := database.Open(ctx, getenv("PAYMENTS_DATABASE_URL"))
	if err != nil {
		return err
	}
	return errors.Join(consume(ctx, getenv, db, log), db.Close())
}

func consume(ctx context.Context, getenv func(string) string, db *database.DB, log *slog.Logger) error {
	if err := errors.Join(inbox.Migrate(ctx, db), store.Migrate(ctx, db)); err != nil {
		return err
	}
	broker, err := rabbit.NewConsumer(rabbit.Config{
		URLs: getenv("RABBITMQ_URL"), Exchange: getenv("EVENTS_EXCHANGE"), QueueType: getenv("EVENTS_QUEUE_TYPE"), Log: log,
	})
	if errors.Is(err, rabbit.ErrNoBroker) {
		return errors.New("RABBITMQ_URL is not set")
	}
	if err != nil {
		return err
	}
	var router event.Router[*database.Tx]
	payments.Handle(&router, store.Book)
	inbox := inbox.New(db, "lab-payments-service", &router, log)
	group, ctx := errgroup.WithContext(ctx)
	subscription := inbox.Subscription()
	switch missing := getenv("PAYMENTS_BREAK"); missing {
	case "ack":
		subscription.Receive = acknowledgeEarly(inbox, group)
	case "inbox":
		subscription.Receive = dispatchDirectly(db, &router)
	default:
		return fmt.Errorf("PAYMENTS_BREAK is %q, want ack or inbox", missing)
	}
	run := broker.Subscribe(subscription)
	group.Go(func() error { return run(ctx) })
	group.Go(func() error { return inbox.Run(ctx) })
	fmt.Fprintln(os.Stdout, "broken is running")
	return group.Wait()
}

type receive = func(context.Context, []event.Message) error

// acknowledgeEarly returns before the batch is committed, so that a crash loses
// the batch.
func acknowledgeEarly(inbox *inbox.Inbox, group *errgroup.Group) receive {
	return func(ctx context.Context, batch []event.Message) error {
		group.Go(func() error {
			if err := inbox.Receive(context.WithoutCancel(ctx), batch); err != nil {
				slog.Error("acknowledged batch lost", "events", len(batch), "error", err)
			}
			return nil
		})
		return nil
	}
}

// dispatchDirectly calls the handlers without the inbox: it neither deduplicates
// nor orders.
func dispatchDirectly(db *database.DB, router *event.Router[*database.Tx]) receive {
	return func(ctx context.Context, batch []event.Message) error {
		for _, m := range batch {
			err := db.InTx(ctx, func(tx *database.Tx) error { return router.Dispatch(ctx, tx, m) })
			if err != nil {
				return fmt.Errorf("handle without an inbox: %w", err)
			}
			slog.Info("event handled", "type", m.Type, "id", m.ID)
		}
		return nil
	}
}
