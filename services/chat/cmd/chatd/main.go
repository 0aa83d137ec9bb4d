// Command chatd runs the chat service.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"parley.internal/chat/server"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
)

const usage = `chatd                 run the chat service; the README lists the environment
chatd events help     list the operators' commands for events
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
	Addr           string  `env:"CHAT_ADDR"         envDefault:"127.0.0.1:8082"`
	DatabaseURL    string  `env:"CHAT_DATABASE_URL" envDefault:"sqlite:.parley/chat.db"`
	Secret         string  `env:"AUTH_SECRET"`
	AllowedOrigins string  `env:"ALLOWED_ORIGINS"`
	MessageRate    float64 `env:"CHAT_MESSAGE_RATE" envDefault:"20"`
	Connections    int     `env:"CHAT_CONNECTIONS"  envDefault:"20"`
	ConnectRate    float64 `env:"CHAT_CONNECT_RATE" envDefault:"0"`
	Broker         rabbit.Config
}

// maxLimit rejects typing errors.
const maxLimit = 1e6

func (c *config) Address() string { return c.Addr }

func (c *config) Events() (eventctl.Service, rabbit.Config) {
	return server.EventService(c.DatabaseURL), c.Broker
}

func (c *config) Validate() error {
	// The conditions are false for NaN.
	if !(c.MessageRate >= 0 && c.MessageRate < maxLimit && c.ConnectRate >= 0 && c.ConnectRate < maxLimit) || c.Connections < 0 {
		return errors.New("read environment: a CHAT_ limit is not a number from 0 to a million; 0 means none")
	}
	if c.Secret == "" {
		return errors.New("AUTH_SECRET is not set: the portal's secret for signing tokens, at least 32 bytes")
	}
	return nil
}

func (c *config) Open(ctx context.Context, log *slog.Logger) (daemon.Service, error) {
	return server.New(ctx, server.Config{
		DatabaseURL: c.DatabaseURL, Secret: []byte(c.Secret), AllowedOrigins: c.AllowedOrigins, Broker: c.Broker,
		MessageRate: c.MessageRate, Connections: c.Connections, ConnectRate: c.ConnectRate,
		Log: log,
	})
}
