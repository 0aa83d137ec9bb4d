// Command paymentsd runs the payments service.
package main

import (
	"context"
	"log/slog"
	"os"

	"parley.internal/payments/server"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
)

const usage = `paymentsd               runs the payments service; deployments/README.md lists its environment variables
paymentsd events help   lists the operators' commands for events
`

func main() {
	os.Exit(daemon.Program{Name: "paymentsd", Usage: usage, Config: &config{}}.Main(os.Args[1:], os.Environ()))
}

// config is the environment of paymentsd, a daemon.Config.
type config struct {
	Addr        string `env:"PAYMENTS_ADDR"         envDefault:"127.0.0.1:8083"`
	DatabaseURL string `env:"PAYMENTS_DATABASE_URL" envDefault:"sqlite:.parley/payments.db"`
	Broker      rabbit.Config
}

func (c *config) Address() string { return c.Addr }

func (c *config) Events() (eventctl.Service, rabbit.Config) {
	return server.EventService(c.DatabaseURL), c.Broker
}

func (c *config) Validate() error { return nil }

func (c *config) Open(ctx context.Context, log *slog.Logger) (daemon.Service, error) {
	return server.New(ctx, server.Config{DatabaseURL: c.DatabaseURL, Broker: c.Broker, Log: log})
}
