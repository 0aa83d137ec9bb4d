// Command payments is an example of another service of the company, as small
// as one can be: it opens an account for each policy that is sold and closes
// it when the policy ends. It shows what a consumer needs of Parley, and that
// is pkg/event, pkg/outbox, pkg/rabbit and pkg/database; and it is what the
// fault run counts, for a movement booked twice stays booked twice.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
)

// service is its name on the broker: its queues are lab-payments-service-<EventType>.
const service = "lab-payments-service"

//go:embed migrations
var migrations embed.FS

func main() {
	if err := run(context.Background(), os.Getenv, os.Stdout); err != nil { //nolint:forbidigo // This is a command.
		fmt.Fprintln(os.Stderr, "payments:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)

	db, err := database.Open(ctx, getenv("PAYMENTS_DATABASE_URL"))
	if err != nil {
		return err
	}
	if err := migrate(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	broker, err := rabbit.Open(rabbit.Settings{
		URLs: getenv("RABBITMQ_URL"), Exchange: getenv("EVENTS_EXCHANGE"), QueueType: getenv("EVENTS_QUEUE_TYPE"),
	}, log)
	if err == nil && broker == nil {
		err = errors.New("RABBITMQ_URL is not set: where the events come from")
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}

	var router event.Router[*database.Tx]
	books := accounts{}
	event.Handle(&router, books.open)
	event.Handle(&router, books.closed)
	inbox := outbox.NewInbox(db, service, &router, log)
	subscription := inbox.Subscription()
	group, ctx := errgroup.WithContext(ctx)
	subscription.Receive, err = receiver(getenv("PAYMENTS_BREAK"), inbox, db, &router, group)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	consume := broker.Subscribe(subscription)
	group.Go(func() error { return consume(ctx) })
	group.Go(func() error { return inbox.Run(ctx) })
	fmt.Fprintln(stdout, "payments is running")
	return errors.Join(group.Wait(), db.Close())
}

func migrate(ctx context.Context, db *database.DB) error {
	if err := outbox.Migrate(ctx, db); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations of payments: %w", err)
	}
	return database.Migrate(ctx, db, "payments", files)
}
