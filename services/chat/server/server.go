// Package server assembles the chat service: log, tail, hubs, REST API, and the inbox for
// events of other services.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"parley.internal/api"
	"parley.internal/chat"
	"parley.internal/chat/hub"
	"parley.internal/chat/rest"
	"parley.internal/chat/store"
	"parley.internal/chat/tail"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/web"
)

// consumer is the service's name on the broker, and in the inbox.
const consumer = "lab-chat-service"

// Config configures the service. DatabaseURL and Secret are required.
type Config struct {
	DatabaseURL    string        // sqlite:PATH or postgres://…
	Secret         []byte        // signs tokens; at least auth.MinSecret bytes
	AllowedOrigins string        // other origins allowed to call: scheme://host[:port], comma-separated
	Broker         rabbit.Config // delivers events
	Agents         []Agent       // initial directory
	Log            *slog.Logger  // slog.Default() by default
	Limits         Limits

	// Events delivers events without a broker. Without both, no events arrive.
	Events event.Subscriber
}

// Agent is an entry of the directory.
type Agent = chat.Profile

// Server is a chat service. Handler serves requests while Run runs.
type Server struct {
	db      *database.DB
	handler http.Handler
	node    *hub.Node
	tail    *tail.Tail
	inbox   *inbox.Inbox
	events  func(context.Context) error // consumes events; nil without a source of events
	broker  *rabbit.Consumer            // nil without a broker
	log     *slog.Logger
}

// New opens and migrates the database. Close it if Run is never called.
func New(ctx context.Context, cfg Config) (*Server, error) {
	db, err := database.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	s := &Server{db: db, log: cmp.Or(cfg.Log, slog.Default())}
	if err := s.build(ctx, cfg); err != nil {
		return nil, fmt.Errorf("chat: %w", errors.Join(err, db.Close()))
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
	contracts, err := contract.Open(api.Files, "openapi/chat.yaml")
	if err != nil {
		return err
	}
	if err := inbox.Migrate(ctx, s.db); err != nil {
		return err
	}
	if err := store.Migrate(ctx, s.db); err != nil {
		return err
	}
	log := store.New(s.db, s.entryCommitted)
	if err := log.Introduce(ctx, cfg.Agents); err != nil {
		return err
	}
	if s.tail, err = tail.New(ctx, log); err != nil {
		return err
	}
	var router event.Router[*database.Tx]
	chat.HandleNotices(&router, log.AppendNotice)
	s.inbox = inbox.New(s.db, consumer, &router, s.log)
	if err := s.subscribe(cfg); err != nil {
		return err
	}
	rate := web.NewRateLimiter(cfg.Limits.MessageRate, int(2*cfg.Limits.MessageRate))
	sender := chat.Sender{Append: log.Append, AppendAnnouncement: log.AppendAnnouncement, Allow: rate.Allow}
	lastSeen := chat.NewLastSeen(log.RecordSeen)
	s.node = hub.NewNode(hub.LastSeen{Online: lastSeen.Record, Offline: log.RecordOffline}, cfg.Limits.Connections, cfg.Limits.ConnectRate)
	s.handler = routes{
		tokens: tokens, origins: origins, contract: contracts, lastSeen: lastSeen,
		agentsChat: hub.NewAgentsChat(s.node, s.tail, sender, origins),
		hub:        hub.New(s.node, s.tail, log, sender, tokens, origins),
		rest:       rest.Server{Log: log, Agents: log, Sender: sender, OnlineSince: s.node.OnlineSince},
	}.handler()
	return nil
}

// entryCommitted hands an entry to the tail, which is made from the same log.
func (s *Server) entryCommitted(e chat.Entry) { s.tail.Enqueue(e) }

// subscribe subscribes the inbox to the broker, or to the relay in the same process. The
// subscription exists before anything runs: the relay needs a subscriber for each event.
func (s *Server) subscribe(cfg Config) (err error) {
	cfg.Broker.Log = s.log
	if s.broker, err = rabbit.NewConsumer(cfg.Broker); err != nil && !errors.Is(err, rabbit.ErrNoBroker) {
		return err
	}
	from := cfg.Events
	if s.broker != nil {
		from = s.broker
	}
	if from != nil {
		s.events = from.Subscribe(s.inbox.Subscription())
	}
	return nil
}

// Check pings the database.
func (s *Server) Check(ctx context.Context) error { return s.db.Ping(ctx) }

// Degraded lists the parts of the service without a connection.
func (s *Server) Degraded() []string {
	switch {
	case s.broker != nil:
		return s.broker.Degraded()
	case s.events == nil:
		return []string{"no broker (RABBITMQ_URL): no events arrive"}
	default:
		return nil
	}
}

// Handler serves the REST API and the hubs.
func (s *Server) Handler() http.Handler { return s.handler }

// Run consumes events and pushes entries until ctx ends, then drains the connections and
// closes the database. Nil means a clean stop.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.events == nil {
		s.log.WarnContext(ctx, "no events arrive without a broker", "missing", "RABBITMQ_URL")
	} else {
		group.Go(func() error { return s.events(ctx) })
	}
	group.Go(func() error { return s.inbox.Run(ctx) })
	group.Go(func() error { return s.tail.Run(ctx) })
	group.Go(func() error { return s.node.Run(ctx) })
	if err := errors.Join(group.Wait(), s.db.Close()); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	return nil
}

// Drain closes the connections, and returns at their end or the end of ctx. Requests are
// still served.
func (s *Server) Drain(ctx context.Context) { s.node.Drain(ctx) }

// Close closes the database if Run is not called.
func (s *Server) Close() error { return s.db.Close() }
