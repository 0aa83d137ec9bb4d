// Package server assembles the policy service: the database, the HTTP API and the
// relay of the outbox.
//
// New does everything that can fail at the start: a Server that it returns can
// serve.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/retry"
	"parley.internal/pkg/web"
	"parley.internal/policy"
	"parley.internal/policy/cache"
	"parley.internal/policy/expression"
	"parley.internal/policy/rest"
	"parley.internal/policy/store"
)

// source is the name of the service in its events.
const source = "policy"

// Config is the configuration of the service. DatabaseURL and Secret are needed,
// the other fields have defaults.
type Config struct {
	DatabaseURL    string        // sqlite:PATH or postgres://…, of this service alone
	Secret         []byte        // verifies tokens; at least auth.MinSecret bytes
	AllowedOrigins string        // origins of other sites that may call: scheme://host[:port], comma-separated
	Broker         rabbit.Config // receives the events
	Log            *slog.Logger  // nil means slog.Default()

	// Events receives the events if there is no broker. Without both, events stay
	// in the outbox.
	Events event.Publisher
}

// Server is the policy service. Handler answers requests while Run runs.
type Server struct {
	db        *database.DB
	contract  *contract.Contract
	store     *store.Store
	cache     *cache.Cache
	events    *outbox.Outbox
	relay     *outbox.Relay               // nil without a broker and Events
	publisher *rabbit.Publisher           // nil without a broker
	listener  *rabbit.Listener            // nil without a broker
	listen    func(context.Context) error // for changes of the catalogue; nil without a broker
	api       http.Handler
	log       *slog.Logger
}

// New opens and migrates the database and adds missing products. Call Close if
// Run is never called.
func New(ctx context.Context, cfg Config) (*Server, error) {
	db, err := database.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	s := &Server{db: db, log: cmp.Or(cfg.Log, slog.Default())}
	if err := s.build(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("policy: %w", err), db.Close())
	}
	return s, nil
}

func (s *Server) build(ctx context.Context, cfg Config) error {
	tokens, err := auth.NewSecret(cfg.Secret)
	if err != nil {
		return err
	}
	origins, err := web.ParseOrigins(cfg.AllowedOrigins)
	if err != nil {
		return err
	}
	if err := outbox.Migrate(ctx, s.db); err != nil {
		return err
	}
	if err := store.Migrate(ctx, s.db); err != nil {
		return err
	}
	s.events = outbox.New(s.db, source, s.log)
	if err := s.connect(cfg); err != nil {
		return err
	}
	s.store = store.New(s.db, s.events, func() { s.cache.Drop() })
	s.cache = cache.New(s.store.Catalogue, expression.Compile)
	catalogue, err := policy.Standard()
	if err != nil {
		return err
	}
	if err := s.store.Seed(ctx, catalogue); err != nil {
		return err
	}
	if s.contract, err = contract.Open(api.Files, "openapi/policy.yaml"); err != nil {
		return err
	}
	routes := &rest.API{Contract: s.contract, Products: s.cache, Store: s.store, Compile: expression.Compile, Now: now}
	s.api = origins.CORS(web.Recover(web.Deadline(auth.Middleware(tokens, web.Refuse)(routes.Handler()))))
	return nil
}

// connect connects the relay to the broker or to Events. A change of the catalogue
// on another node drops the cache; so does every gap in listening, because an
// event may have been missed.
func (s *Server) connect(cfg Config) (err error) {
	cfg.Broker.Log = s.log
	s.publisher, err = rabbit.NewPublisher(cfg.Broker)
	if errors.Is(err, rabbit.ErrNoBroker) {
		if cfg.Events != nil {
			s.relay = outbox.NewRelay(s.events, cfg.Events)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if s.listener, err = rabbit.NewListener(cfg.Broker); err != nil {
		return err
	}
	s.relay = outbox.NewRelay(s.events, s.publisher)
	types := []string{policy.ProductActivated{}.Type(), policy.TariffChanged{}.Type()}
	s.publisher.CopyToListeners(types...)
	s.listen = s.listener.Listen(types, func(event.Message) { s.cache.Drop() }, func() { s.cache.Drop() })
	return nil
}

// now returns the time with the precision of the database.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Handler serves /api/products, /api/offers, /api/policies and the paths below.
func (s *Server) Handler() http.Handler { return s.api }

// Check returns an error if the database does not answer.
func (s *Server) Check(ctx context.Context) error { return s.db.Ping(ctx) }

// Degraded describes current problems in words.
func (s *Server) Degraded() []string {
	if s.relay == nil {
		return []string{"no broker (RABBITMQ_URL): events stay in the outbox"}
	}
	var problems []string
	if s.publisher != nil {
		problems = slices.Concat(s.publisher.Degraded(), s.listener.Degraded())
	}
	if n := s.relay.Unroutable(); n > 0 {
		problems = append(problems, fmt.Sprintf("%d events are unroutable: no queue is bound to their types; they are retried", n))
	}
	if n := s.relay.Rejected(); n > 0 {
		problems = append(problems, fmt.Sprintf("the broker rejects %d events; they are retried, and `events rejected` tells the reasons", n))
	}
	if types := s.relay.OpenCircuits(); len(types) > 0 {
		problems = append(problems, fmt.Sprintf("the broker nacks events of type %s, perhaps because a queue is full; they are retried", strings.Join(types, ", ")))
	}
	return problems
}

const (
	cleanupEvery = 10 * time.Minute
	stopGrace    = time.Second // for the relay's batches in flight; then the broker connection is closed
)

// Run relays events and deletes expired idempotency keys until ctx ends, then
// closes the database. It returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// The connection to the broker is closed after the relay has finished its batch,
	// or after stopGrace if the broker does not answer.
	connected, disconnect := retry.WithGrace(ctx, stopGrace)
	defer disconnect()
	if s.publisher != nil {
		group.Go(func() error { return s.publisher.Run(connected) })
		group.Go(func() error { return s.listen(ctx) })
	}
	if s.relay == nil {
		s.log.WarnContext(ctx, "no broker configured: events stay in the outbox", "missing", "RABBITMQ_URL")
	} else {
		group.Go(func() error {
			defer disconnect()
			return s.relay.Run(ctx)
		})
	}
	group.Go(func() error {
		retry.Every(ctx, cleanupEvery, func() {
			if err := s.store.DeleteExpiredKeys(ctx, time.Now()); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "delete expired idempotency keys failed", "error", err)
			}
		})
		return nil
	})
	if err := errors.Join(group.Wait(), s.db.Close()); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

// Drain has nothing to do: the service has no long-lived connections.
func (s *Server) Drain(context.Context) {}

// Close closes the database if Run is not called.
func (s *Server) Close() error { return s.db.Close() }
