// Package server assembles the payments service from database, inbox and event
// transport.
//
// Every step of the start that can fail is done when New returns.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"parley.internal/payments"
	"parley.internal/payments/store"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// consumer is the service's name on the broker and in the inbox: the queues are
// lab-payments-service-<EventType>.
const consumer = "lab-payments-service"

// Config is the service's configuration. DatabaseURL is required, the other
// fields have defaults.
type Config struct {
	DatabaseURL string        // sqlite:PATH or postgres://…, the service's own
	Broker      rabbit.Config // RabbitMQ, the source of events
	Log         *slog.Logger  // slog.Default() by default

	// Events brings the events when Broker has no URLs. With neither, the service
	// receives no events.
	Events event.Subscriber
}

// Server is the payments service.
type Server struct {
	db      *database.DB
	inbox   *inbox.Inbox
	consume func(context.Context) error // nil without a transport
	broker  *rabbit.Consumer            // nil without RabbitMQ
	log     *slog.Logger
}

// New opens and migrates the database. Call Close if Run is never called.
func New(ctx context.Context, cfg Config) (*Server, error) {
	db, err := database.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("payments: %w", err)
	}
	s := &Server{db: db, log: cmp.Or(cfg.Log, slog.Default())}
	if err := s.build(ctx, cfg); err != nil {
		return nil, fmt.Errorf("payments: %w", errors.Join(err, db.Close()))
	}
	return s, nil
}

func (s *Server) build(ctx context.Context, cfg Config) (err error) {
	if err := inbox.Migrate(ctx, s.db); err != nil {
		return err
	}
	if err := store.Migrate(ctx, s.db); err != nil {
		return err
	}
	s.inbox = inbox.New(s.db, consumer, router(), s.log)
	cfg.Broker.Log = cfg.Log
	if s.broker, err = rabbit.NewConsumer(cfg.Broker); err != nil && !errors.Is(err, rabbit.ErrNoBroker) {
		return err
	}
	switch {
	case s.broker != nil:
		s.consume = s.broker.Subscribe(s.inbox.Subscription())
	case cfg.Events != nil:
		s.consume = cfg.Events.Subscribe(s.inbox.Subscription())
	}
	return nil
}

func router() *event.Router[*database.Tx] {
	var r event.Router[*database.Tx]
	payments.Handle(&r, store.Book)
	return &r
}

// Check pings the database.
func (s *Server) Check(ctx context.Context) error { return s.db.Ping(ctx) }

// Degraded lists the present problems in words.
func (s *Server) Degraded() []string {
	switch {
	case s.broker != nil:
		return s.broker.Degraded()
	case s.consume == nil:
		return []string{"no broker (RABBITMQ_URL): no events arrive"}
	default:
		return nil
	}
}

// Run consumes events until ctx ends, then closes the database. Nil means a
// clean stop.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.consume != nil {
		group.Go(func() error { return s.consume(ctx) })
	}
	group.Go(func() error { return s.inbox.Run(ctx) })
	if err := errors.Join(group.Wait(), s.db.Close()); err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	return nil
}

// Drain does nothing: the service holds no connection of a client.
func (s *Server) Drain(context.Context) {}

// Handler answers 404: the service has no API.
func (s *Server) Handler() http.Handler { return http.NotFoundHandler() }

// Measure registers the service's collectors.
func (s *Server) Measure(m *telemetry.Metrics) {
	m.Register(inbox.NewCollector("payments", s.inbox))
	if s.broker != nil {
		m.Register(rabbit.NewCollector("payments", s.broker))
	}
}

// EventService describes the service to the operators' command.
func EventService(databaseURL string) eventctl.Service {
	return eventctl.Service{Name: "payments", DatabaseURL: databaseURL, Consumer: consumer, Types: router().Types()}
}

// Close releases the resources that New acquired, when Run is not called.
func (s *Server) Close() error { return s.db.Close() }
