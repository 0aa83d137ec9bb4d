// Package server assembles the portal: sign-in, the web app, and the policy and
// chat services, each in this process or behind a reverse proxy. If both run in
// this process without a broker, events go directly from outbox to inbox.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
	policy "parley.internal/policy/server"
	"parley.internal/portal/docs"
	"parley.internal/portal/session"
)

// Config is the portal's configuration. Secret and DatabaseURL are required, and
// for each service either a URL or a database URL.
type Config struct {
	PolicyURL         string        // base URL of the policy service; "" runs it in this process
	ChatURL           string        // base URL of the chat service; "" runs it in this process
	PolicyDatabaseURL string        // used without PolicyURL
	ChatDatabaseURL   string        // used without ChatURL
	DatabaseURL       string        // the portal's own database
	Secret            []byte        // signs tokens
	AgentsFile        string        // path of an agents file; "" for the demo agents
	AllowedOrigins    string        // foreign origins that may call: scheme://host[:port], comma-separated
	Broker            rabbit.Config // optional if both services run in this process
	Limits            chat.Limits   // of a chat node in this process
	Log               *slog.Logger
}

// HashPassword returns the hash of a password for an agents file.
func HashPassword(password string) string { return session.HashPassword(password) }

// Server is the portal.
type Server struct {
	opened   []io.Closer // the database and the services
	db       *database.DB
	policy   service
	chat     service
	sessions *session.Sessions
	docs     http.Handler
	origins  web.Origins
}

// service is policy or chat, in this process or an upstream.
type service interface {
	daemon.Service

	Close() error
}

// New opens and migrates the databases of the portal and of the services in this
// process.
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
	var publisher event.Publisher
	var subscriber event.Subscriber
	if cfg.PolicyURL == "" && cfg.ChatURL == "" {
		direct := &event.Direct{}
		publisher, subscriber = direct, direct
	}
	if s.policy, err = openPolicy(ctx, cfg, publisher); err != nil {
		return err
	}
	s.opened = append(s.opened, s.policy)
	if s.chat, err = openChat(ctx, cfg, subscriber, profiles(agents)); err != nil {
		return err
	}
	s.opened = append(s.opened, s.chat)
	if s.db, err = database.Open(ctx, cfg.DatabaseURL); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	s.opened = append(s.opened, s.db)
	s.sessions, err = session.New(ctx, s.db, agents, cfg.Secret, s.origins)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

func openPolicy(ctx context.Context, cfg Config, events event.Publisher) (service, error) {
	if cfg.PolicyURL != "" {
		return newUpstream("policy", cfg.PolicyURL)
	}
	return policy.New(ctx, policy.Config{
		DatabaseURL: cfg.PolicyDatabaseURL, Secret: cfg.Secret, AllowedOrigins: cfg.AllowedOrigins,
		Broker: cfg.Broker, Log: cfg.Log, Events: events,
	})
}

func openChat(ctx context.Context, cfg Config, events event.Subscriber, agents []chat.Agent) (service, error) {
	if cfg.ChatURL != "" {
		proxy, err := newUpstream("chat", cfg.ChatURL)
		if err != nil {
			return nil, err
		}
		tokens, err := auth.NewSecret(cfg.Secret)
		if err != nil {
			return nil, err
		}
		registrar := &registrar{url: proxy.url.JoinPath("/api/agents").String(), tokens: tokens, agents: agents}
		proxy.register, proxy.hubs = registrar.register, hubs
		return proxy, nil
	}
	return chat.New(ctx, chat.Config{
		DatabaseURL: cfg.ChatDatabaseURL, Secret: cfg.Secret, AllowedOrigins: cfg.AllowedOrigins,
		Broker: cfg.Broker, Agents: agents, Log: cfg.Log, Events: events,
		Limits: cfg.Limits,
	})
}

// profiles returns the agents in chat's form.
func profiles(agents *session.Agents) (all []chat.Agent) {
	for _, a := range agents.All() {
		all = append(all, chat.Agent{Login: a.Login, Name: a.Name, Avatar: a.Avatar})
	}
	return all
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

// Run serves on listener and runs the services until ctx ends, and then drains as
// web.Serve does. A nil error means a clean stop.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	health := &telemetry.Health{Check: s.check, Degraded: func() []string {
		return slices.Concat(s.policy.Degraded(), s.chat.Degraded())
	}}
	defer context.AfterFunc(ctx, health.Drain)()
	err := web.Serve(ctx, listener, health.Wrap(s.measure().Wrap(s.routes())), s.policy, s.chat)
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

func (s *Server) check(ctx context.Context) error {
	return errors.Join(s.db.Ping(ctx), s.policy.Check(ctx), s.chat.Check(ctx))
}

// close releases everything that open has opened.
func (s *Server) close() error {
	var errs []error
	for _, opened := range s.opened {
		errs = append(errs, opened.Close())
	}
	return errors.Join(errs...)
}
