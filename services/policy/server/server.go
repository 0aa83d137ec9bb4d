// Package server puts the policy service together: its database, its HTTP API
// and the relay that carries its events.
//
// It promises that New has done all that can fail at the start: what it
// returned can serve.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
	"parley.internal/policy"
	"parley.internal/policy/cache"
	"parley.internal/policy/expression"
	"parley.internal/policy/rest"
	"parley.internal/policy/store"
)

// source is the service's name in its events.
const source = "policy"

// Config is what the service needs from outside. DatabaseURL and Secret are
// needed, the rest has defaults.
type Config struct {
	DatabaseURL    string        // sqlite:PATH or postgres://…, the service's own
	Secret         []byte        // signs tokens; auth.MinSecret bytes at least
	AllowedOrigins string        // foreign pages that may call: scheme://host[:port], comma-separated
	Broker         rabbit.Config // takes the events
	Log            *slog.Logger  // slog.Default() by default

	// Events takes the events when there is no broker. With neither, they stay in
	// the outbox.
	Events event.Publisher
}

// Server is the policy service. Its Handler answers requests while Run runs.
type Server struct {
	db        *database.DB
	store     *store.Store
	cache     *cache.Cache
	events    *outbox.Outbox
	relay     *outbox.Relay               // nil if nobody takes the events
	publisher *rabbit.Publisher           // nil without a broker
	listener  *rabbit.Listener            // nil without a broker
	listen    func(context.Context) error // to changes of the catalogue; nil without a broker
	api       http.Handler
	log       *slog.Logger
}

// New opens the database, brings its tables up to date and fills those that are
// new. Close it if Run is never called.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	db, err := database.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	s := &Server{db: db, log: cfg.Log}
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
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.events = outbox.New(s.db, source, s.log)
	if err := s.connect(cfg); err != nil {
		return err
	}
	s.store = store.New(s.db, s.events, func() { s.cache.Drop() })
	s.cache = cache.New(s.store.Catalogue, compile)
	catalogue, err := policy.Standard()
	if err != nil {
		return err
	}
	if err := s.store.Seed(ctx, catalogue); err != nil {
		return err
	}
	obeyed, err := contract.Open(api.Files, "openapi/policy.yaml")
	if err != nil {
		return err
	}
	routes := &rest.API{
		Contract: obeyed, Products: s.cache, Catalogue: s.store, Compile: compile,
		Offers: s.store, Policies: s.store, Requests: s.store, Now: now,
	}
	s.api = origins.CORS(web.Recover(web.Deadline(auth.Middleware(tokens, web.Refuse)(routes.Handler()))))
	return nil
}

func (s *Server) migrate(ctx context.Context) error {
	if err := outbox.Migrate(ctx, s.db); err != nil {
		return err
	}
	return store.Migrate(ctx, s.db)
}

// connect decides who takes the events. What was changed on another node, or
// may have been while nobody told, drops the cache.
func (s *Server) connect(cfg Config) (err error) {
	cfg.Broker.Log = cfg.Log
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

func compile(p *policy.Product, t policy.Tariff) (policy.Pricer, error) {
	return expression.Compile(p, t)
}

// now is the time as the database keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Handler serves /api/products, /api/offers, /api/policies and what is below.
func (s *Server) Handler() http.Handler { return s.api }

// Check asks the database whether it answers.
func (s *Server) Check(ctx context.Context) error { return s.db.Ping(ctx) }

// Degraded says in words what does not work just now.
func (s *Server) Degraded() []string {
	if s.relay == nil {
		return []string{"no broker (RABBITMQ_URL): events stay in the outbox"}
	}
	var problems []string
	if s.publisher != nil {
		problems = slices.Concat(s.publisher.Degraded(), s.listener.Degraded())
	}
	if n := s.relay.Unroutable(); n > 0 {
		problems = append(problems, fmt.Sprintf("nobody has a queue for %d events; they are tried again", n))
	}
	if n := s.relay.Rejected(); n > 0 {
		problems = append(problems, fmt.Sprintf("the broker does not take %d events; they are tried again, and `events rejected` shows the reason", n))
	}
	if types := s.relay.OpenCircuits(); len(types) > 0 {
		problems = append(problems, fmt.Sprintf("the broker does not take all %s just now, as if a queue were full; they are tried again", strings.Join(types, ", ")))
	}
	return problems
}

const (
	cleanupEvery = 10 * time.Minute
	stopGrace    = time.Second // for the relay's batches in hand; then their connection ends
)

// Run relays events and cleans up until ctx ends, then closes the database. Nil
// means a clean stop.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// The relay finishes its batch before the broker's connection is closed, if
	// the broker answers.
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	if s.publisher != nil {
		group.Go(func() error { return s.publisher.Run(connected) })
		group.Go(func() error { return s.listen(ctx) })
		group.Go(func() error {
			<-ctx.Done()
			select {
			case <-connected.Done():
			case <-time.After(stopGrace):
				disconnect()
			}
			return nil
		})
	}
	group.Go(func() error {
		defer disconnect()
		return s.carry(ctx)
	})
	group.Go(func() error { return s.cleanUp(ctx) })
	if err := errors.Join(group.Wait(), s.db.Close()); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

// Drain has nothing to do: what is in hand are requests.
func (s *Server) Drain(context.Context) {}

// carry relays the events, if somebody takes them.
func (s *Server) carry(ctx context.Context) error {
	if s.relay == nil {
		s.log.WarnContext(ctx, "no events travel", "missing", "RABBITMQ_URL")
		<-ctx.Done()
		return nil
	}
	return s.relay.Run(ctx)
}

// Serve is the whole service as a program of its own: its API, its health, its
// metrics, and Run, until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	health := telemetry.Health{Check: s.Check, Degraded: s.Degraded}
	defer context.AfterFunc(ctx, health.Drain)()
	metrics := telemetry.NewMetrics()
	s.Measure(metrics)
	return web.Serve(ctx, listener, health.Wrap(metrics.Wrap(s.api)), s)
}

func (s *Server) cleanUp(ctx context.Context) error {
	tick := time.NewTicker(cleanupEvery)
	defer tick.Stop()
	for {
		if err := s.store.ForgetKeys(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "idempotency keys not cleaned up", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close gives back what New opened, when Run is not called.
func (s *Server) Close() error { return s.db.Close() }
