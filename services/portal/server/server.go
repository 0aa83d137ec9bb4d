// Package server puts the portal together: sign-in, the web app, and the policy
// and chat services, each in the same process or forwarded to. If both are here
// and there is no broker, the direct transport joins them.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
	policy "parley.internal/policy/server"
	"parley.internal/portal/docs"
	"parley.internal/portal/session"
	app "parley.internal/portal/web"
)

// Config is what the portal needs to know. Secret and DatabaseURL are needed;
// of each service either its database or its address is.
type Config struct {
	PolicyURL         string        // where the policy service runs; "" to run it here
	ChatURL           string        // where the chat service runs; "" to run it here
	PolicyDatabaseURL string        // if it runs here
	ChatDatabaseURL   string        // if it runs here
	DatabaseURL       string        // of the portal's own database
	Secret            []byte        // signs tokens
	AgentsFile        string        // who may sign in; "" for the demo agents
	AllowedOrigins    string        // foreign pages that may call: scheme://host[:port], comma-separated
	Broker            rabbit.Config // carries the events; none is needed if both services run here
	Log               *slog.Logger

	// Limits of a chat node that runs here.
	MessageRate float64 // entries per second and agent, with bursts of twice as many; 0: unlimited
	Connections int     // hub connections per agent; 0: unlimited
	ConnectRate float64 // new hub connections per second; 0: unlimited
}

// HashPassword makes the text that an agents file holds for a password.
func HashPassword(password string) string { return session.HashPassword(password) }

// Server is the portal.
type Server struct {
	db       *database.DB
	policy   service
	chat     service
	sessions *session.Sessions
	docs     http.Handler
	origins  web.Origins
}

// service is one of the two: here, or somewhere else.
type service interface {
	web.Service

	Handler() http.Handler
	Check(ctx context.Context) error
	Degraded() []string
	Measure(m *telemetry.Metrics)
	Close() error
}

// New opens and migrates the databases of what runs here.
func New(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{}
	if err := s.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Server) open(ctx context.Context, cfg Config) (err error) {
	if s.origins, err = web.ParseOrigins(cfg.AllowedOrigins); err != nil {
		return err
	}
	if s.docs, err = docs.Handler(); err != nil {
		return err
	}
	agents, err := readAgents(cfg.AgentsFile)
	if err != nil {
		return err
	}
	var direct *event.Direct
	if cfg.PolicyURL == "" && cfg.ChatURL == "" {
		direct = &event.Direct{}
	}
	if s.policy, err = openPolicy(ctx, cfg, direct); err != nil {
		return err
	}
	if s.chat, err = openChat(ctx, cfg, direct, profiles(agents)); err != nil {
		return err
	}
	if s.db, err = database.Open(ctx, cfg.DatabaseURL); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	s.sessions, err = session.New(ctx, s.db, agents, cfg.Secret, s.origins)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

func openPolicy(ctx context.Context, cfg Config, direct *event.Direct) (service, error) {
	if cfg.PolicyURL != "" {
		return opened(newRemote("policy", cfg.PolicyURL))
	}
	settings := policy.Config{
		DatabaseURL: cfg.PolicyDatabaseURL, Secret: cfg.Secret, AllowedOrigins: cfg.AllowedOrigins,
		Broker: cfg.Broker, Log: cfg.Log,
	}
	if direct != nil {
		settings.Events = direct
	}
	return opened(policy.New(ctx, settings))
}

func openChat(ctx context.Context, cfg Config, direct *event.Direct, agents []chat.Agent) (service, error) {
	if cfg.ChatURL != "" {
		remote, err := newRemote("chat", cfg.ChatURL)
		if err != nil {
			return nil, err
		}
		known, err := newDirectory(cfg.ChatURL, cfg.Secret, agents)
		if err != nil {
			return nil, err
		}
		remote.introduce, remote.hubs = known.tell, hubs
		return remote, nil
	}
	settings := chat.Config{
		DatabaseURL: cfg.ChatDatabaseURL, Secret: cfg.Secret, AllowedOrigins: cfg.AllowedOrigins,
		Broker: cfg.Broker, Agents: agents, Log: cfg.Log,
		MessageRate: cfg.MessageRate, Connections: cfg.Connections, ConnectRate: cfg.ConnectRate,
	}
	if direct != nil {
		settings.Events = direct
	}
	return opened(chat.New(ctx, settings))
}

// hubs are the paths of chat's.
var hubs = []string{"/hub", "/agentsChat"}

// profiles are the agents as chat shows them to others.
func profiles(agents *session.Agents) (all []chat.Agent) {
	for _, a := range agents.All() {
		all = append(all, chat.Agent{Login: a.Login, Name: a.Name, Avatar: a.Avatar})
	}
	return all
}

// opened keeps a nil pointer from becoming a service.
func opened[S service](s S, err error) (service, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readAgents(path string) (*session.Agents, error) {
	if path == "" {
		return session.DemoAgents()
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	agents, err := session.ParseAgents(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return agents, nil
}

// routes brings each path to who serves it: one origin for the browser.
func (s *Server) routes() http.Handler {
	var mux, own web.Mux
	s.sessions.Register(&own)
	sessions, apps := web.Deadline(s.origins.CORS(&own)), app.Handler()
	policies, chats := s.policy.Handler(), s.chat.Handler()
	for _, path := range hubs {
		mux.Handle(path, chats)
		mux.Handle(path+"/", chats) // below it: chat says what there is
	}
	for path, handler := range map[string]http.Handler{
		"/api/":        &own, // and what nobody serves
		"/api/session": sessions, "/api/session/": sessions,
		"/api/products": policies, "/api/products/": policies,
		"/api/offers": policies, "/api/offers/": policies,
		"/api/policies": policies, "/api/policies/": policies,
		"/api/messages": chats, "/api/messages/": chats,
		"/api/streams": chats, "/api/streams/": chats,
		"/api/agents": chats, "/api/agents/": chats,
		"/api/notifications": chats, "/api/notifications/": chats,
		docs.Path: s.docs, docs.Script: apps, docs.Script + ".LICENSE.txt": apps,
		"/": apps,
	} {
		mux.Handle(path, handler)
	}
	return web.Recover(&mux)
}

// Run serves on listener until ctx ends. Then it lets the requests in hand
// finish, and after them the services. Nil means a clean stop.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	health := &telemetry.Health{Check: s.check, Degraded: func() []string {
		return slices.Concat(s.policy.Degraded(), s.chat.Degraded())
	}}
	defer context.AfterFunc(ctx, health.Drain)()
	metrics := telemetry.NewMetrics()
	metrics.Routes("/api/session", "/api/session/refresh", docs.Path)
	s.policy.Measure(metrics)
	s.chat.Measure(metrics)
	err := web.Serve(ctx, listener, health.Wrap(metrics.Wrap(s.routes())), s.policy, s.chat)
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

func (s *Server) check(ctx context.Context) error {
	return errors.Join(s.db.Ping(ctx), s.policy.Check(ctx), s.chat.Check(ctx))
}

// close gives back what open has opened.
func (s *Server) close() error {
	var errs []error
	for _, service := range []service{s.policy, s.chat} {
		if service != nil {
			errs = append(errs, service.Close())
		}
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}
