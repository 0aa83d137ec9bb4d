// Command policyd runs the policy service.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"parley.internal/pkg/daemon"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/policy/server"
)

const usage = `policyd               runs the policy service; deployments/README.md lists its environment variables
policyd events help   lists the operators' commands for events
`

func main() {
	os.Exit(daemon.Program{Name: "policyd", Usage: usage, Config: &config{}}.Main(os.Args[1:], os.Environ()))
}

// config is the environment of policyd, a daemon.Config.
type config struct {
	Addr           string `env:"POLICY_ADDR"         envDefault:"127.0.0.1:8081"`
	DatabaseURL    string `env:"POLICY_DATABASE_URL" envDefault:"sqlite:.parley/policy.db"`
	Secret         string `env:"AUTH_SECRET"`
	AllowedOrigins string `env:"ALLOWED_ORIGINS"`
	Broker         rabbit.Config
}

func (c *config) Address() string { return c.Addr }

func (c *config) Events() (eventctl.Service, rabbit.Config) {
	return server.EventService(c.DatabaseURL), c.Broker
}

func (c *config) Validate() error {
	if c.Secret == "" {
		return errors.New("AUTH_SECRET is not set: the portal's secret for signing tokens, at least 32 bytes")
	}
	return nil
}

func (c *config) Open(ctx context.Context, log *slog.Logger) (daemon.Service, error) {
	return server.New(ctx, server.Config{
		DatabaseURL: c.DatabaseURL, Secret: []byte(c.Secret), AllowedOrigins: c.AllowedOrigins, Broker: c.Broker, Log: log,
	})
}
