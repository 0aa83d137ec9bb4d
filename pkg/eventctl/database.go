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
	"parley.internal/pkg/outbox"
)

// opened is a service with its database open.
type opened struct {
	Service

	outbox *outbox.Outbox // nil if it tells nothing
	inbox  *outbox.Inbox  // nil if it is told nothing
}

// each does something with each service. A database that is not there, or was
// not used yet, is an error: it is not made.
func (c *CLI) each(ctx context.Context, do func(context.Context, *opened) error) error {
	for _, s := range c.Services {
		if err := with(ctx, s, do); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

func with(ctx context.Context, s Service, do func(context.Context, *opened) error) (err error) {
	if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database %s: has the service run here?", path)
		}
	}
	db, err := database.Open(ctx, s.DatabaseURL)
	if err != nil {
		return err //nolint:wrapcheck // It says what it was doing; each says for whom.
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log := slog.New(slog.DiscardHandler)
	o := &opened{Service: s}
	if s.Source != "" {
		o.outbox = outbox.New(db, s.Source, log)
	}
	if s.Consumer != "" {
		o.inbox = outbox.NewInbox(db, s.Consumer, &event.Router[*database.Tx]{}, log)
	}
	return do(ctx, o)
}
