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

// each calls fn with the store of each service. A database is never created: a
// missing SQLite file or table is an error.
func (c *CLI) each(ctx context.Context, fn func(*store) error) error {
	for _, s := range c.Services {
		if err := s.open(ctx, fn); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

func (s Service) open(ctx context.Context, fn func(*store) error) (err error) {
	if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("database %s does not exist: has the service run here?", path)
		}
	}
	db, err := database.Open(ctx, s.DatabaseURL)
	if err != nil {
		return err
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
	return fn(st)
}
