package eventctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/outbox"
)

// store is the open outbox and inbox of a service.
type store struct {
	Service

	outbox *outbox.Outbox // nil: publishes nothing
	inbox  *inbox.Inbox   // nil: consumes nothing
}

// collect concatenates the results of query for the services.
func collect[T any](ctx context.Context, c *CLI, query func(*store) ([]T, error)) (all []T, err error) {
	for _, s := range c.Services {
		some, err := queryService(ctx, s, query)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// queryService opens the database of a service for a query. A database is never
// created: a missing SQLite file or table is an error.
func queryService[T any](ctx context.Context, s Service, query func(*store) ([]T, error)) (all []T, err error) {
	if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("database %s does not exist: has the service run here?", path)
		}
	}
	db, err := database.Open(ctx, s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log := slog.New(slog.DiscardHandler)
	st := &store{Service: s}
	if s.Source != "" {
		st.outbox = outbox.New(db, s.Source, log)
	}
	if s.Consumer != "" {
		st.inbox = inbox.New(db, s.Consumer, &event.Router[*database.Tx]{}, log)
	}
	return query(st)
}
