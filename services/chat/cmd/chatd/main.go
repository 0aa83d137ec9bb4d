// Command chatd runs the chat service.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"parley.internal/chat/server"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
)

const usage = `chatd                 runs the chat service; deployments/README.md lists its environment variables
chatd events help     lists the operators' commands for events
`

// gcPercent is lower than Go's default of 100. Most of chatd's memory is idle connections:
// more frequent collections cost little, and leave less garbage beside them. GOGC overrides
// the value.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(daemon.Program{Name: "chatd", Usage: usage, Config: &config{}}.Main(os.Args[1:], os.Environ()))
}

// config is the environment of chatd, a daemon.Config.
type config struct {
	Addr           string `env:"CHAT_ADDR"         envDefault:"127.0.0.1:8082"`
	DatabaseURL    string `env:"CHAT_DATABASE_URL" envDefault:"sqlite:.parley/chat.db"`
	Secret         string `env:"AUTH_SECRET"`
	AllowedOrigins string `env:"ALLOWED_ORIGINS"`
	Limits         server.Limits
	Broker         rabbit.Config
}

func (c *config) Address() string { return c.Addr }

func (c *config) Events() (eventctl.Service, rabbit.Config) {
	return server.EventService(c.DatabaseURL), c.Broker
}

func (c *config) Validate() error {
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("read environment: %w", err)
	}
	if c.Secret == "" {
		return errors.New("AUTH_SECRET is not set: the portal's secret for signing tokens, at least 32 bytes")
	}
	return nil
}

func (c *config) Open(ctx context.Context, log *slog.Logger) (daemon.Service, error) {
	return server.New(ctx, server.Config{
		DatabaseURL: c.DatabaseURL, Secret: []byte(c.Secret), AllowedOrigins: c.AllowedOrigins, Broker: c.Broker,
		Limits: c.Limits, Log: log,
	})
}
