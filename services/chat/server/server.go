// Package server puts chat together: its log, its hub, its HTTP side and what
// it is told by other services.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"parley.internal/api"
	"parley.internal/chat"
	"parley.internal/chat/hub"
	"parley.internal/chat/rest"
	"parley.internal/chat/store"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
)

// consumer is chat's name on the transport, and in its inbox.
const consumer = "lab-chat-service"

// Config is what chat needs of its surroundings. DatabaseURL and Secret are
// needed, the rest has defaults.
type Config struct {
	DatabaseURL    string        // sqlite:PATH or postgres://…, the service's own
	Secret         []byte        // signs tokens; auth.MinSecret bytes at least
	AllowedOrigins string        // foreign pages that may call: scheme://host[:port], comma-separated
	Broker         rabbit.Config // brings the events
	Agents         []Agent       // who can be reached before they were ever here
	Log            *slog.Logger  // slog.Default() by default

	// Limits per node.
	MessageRate float64 // entries per second and agent, with bursts of twice as many; 0: unlimited
	Connections int     // hub connections per agent; 0: unlimited
	ConnectRate float64 // new hub connections per second; 0: unlimited

	// Events brings the events when there is no broker. With neither, none come.
	Events event.Subscriber
}

// Agent is one whom chat is told of.
type Agent = chat.Profile

// Server is a chat service. Its Handler answers requests while Run runs.
type Server struct {
	db       *database.DB
	handler  http.Handler
	lobby    *hub.Lobby
	delivery *hub.Delivery
	inbox    *inbox.Inbox
	router   *event.Router[*database.Tx]
	events   func(context.Context) error // takes in events; nil if nobody brings any
	broker   *rabbit.Consumer            // nil if there is none
	log      *slog.Logger
}

// New opens and migrates the database. Close it if Run is never called.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	db, err := database.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	s := &Server{db: db, router: &event.Router[*database.Tx]{}, log: cfg.Log}
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
	log := store.New(s.db, func(e chat.Entry) { s.delivery.Stored(e) })
	if err := log.Introduce(ctx, cfg.Agents); err != nil {
		return err
	}
	if s.delivery, err = hub.NewDelivery(ctx, log); err != nil {
		return err
	}
	s.listen(log)
	if err := s.connect(cfg); err != nil {
		return err
	}
	rate := web.NewRateLimiter(cfg.MessageRate, int(2*cfg.MessageRate))
	sender := chat.Sender{Append: log.Append, Announce: log.Announce, Allow: rate.Allow}
	agents := directory{Directory: chat.NewDirectory(log.Seen), Store: log}
	s.lobby = hub.NewLobby(agents, hub.Limits{Connections: cfg.Connections, ConnectRate: cfg.ConnectRate})
	s.handler = routes{
		tokens: tokens, origins: origins, contract: contracts, agents: agents,
		agentsChat: hub.NewAgentsChat(s.lobby, s.delivery, sender, origins),
		hub:        hub.New(s.lobby, s.delivery, log, sender, tokens, origins),
		rest:       rest.Server{Log: log, Agents: log, Sender: sender, Since: s.lobby.Since},
	}.handler()
	return nil
}

// directory is who the agents are, in the database and at hand.
type directory struct {
	*chat.Directory
	*store.Store
}

// connect decides who brings the events. It subscribes before anything runs, so
// that a relay in the same process finds who wants its events.
func (s *Server) connect(cfg Config) (err error) {
	cfg.Broker.Log = cfg.Log
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

// listen has the agents told of events, each once: the entry has the event's id,
// if it has one.
func (s *Server) listen(log *store.Store) {
	chat.Announce(s.router, func(ctx context.Context, tx *database.Tx, m event.Message, stream, text string) error {
		log.Note(ctx, tx, chat.Draft{
			Stream: stream, Source: m.Source, ID: cmp.Or(m.ID, uuid.NewString()), Kind: chat.Notice, Body: text,
		})
		return nil
	})
	s.inbox = inbox.New(s.db, consumer, s.router, s.log)
}

// Check asks the database whether it answers.
func (s *Server) Check(ctx context.Context) error { return s.db.Ping(ctx) }

// Degraded says in words what does not work just now.
func (s *Server) Degraded() []string {
	switch {
	case s.broker != nil:
		return s.broker.Degraded()
	case s.events == nil:
		return []string{"no broker (RABBITMQ_URL): no events come"}
	default:
		return nil
	}
}

// Handler serves chat's paths: those of its contract, and the hubs'.
func (s *Server) Handler() http.Handler { return s.handler }

// Run takes in events and pushes entries until ctx ends, then closes the
// sockets and the database. Nil means a clean stop.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.subscribe(ctx) })
	group.Go(func() error { return s.inbox.Run(ctx) })
	group.Go(func() error { return s.delivery.Run(ctx) })
	group.Go(func() error { return s.lobby.Run(ctx) })
	if err := errors.Join(group.Wait(), s.db.Close()); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	return nil
}

// Drain closes the sockets, and returns when they are gone or ctx has ended.
// Requests are still answered.
func (s *Server) Drain(ctx context.Context) { s.lobby.Drain(ctx) }

// subscribe takes in events, if somebody brings them.
func (s *Server) subscribe(ctx context.Context) error {
	if s.events == nil {
		s.log.WarnContext(ctx, "no events travel", "missing", "RABBITMQ_URL")
		<-ctx.Done()
		return nil
	}
	return s.events(ctx)
}

// Serve is the whole service as a program of its own: its API and hub, its
// health, and Run, until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	health := telemetry.Health{Check: s.Check, Degraded: s.Degraded}
	defer context.AfterFunc(ctx, health.Drain)()
	metrics := telemetry.NewMetrics()
	s.Measure(metrics)
	return web.Serve(ctx, listener, health.Wrap(metrics.Wrap(s.handler)), s)
}

// Close gives back what New opened, when Run is not called.
func (s *Server) Close() error { return s.db.Close() }
