package server

import (
	"context"
	"io"

	"parley.internal/pkg/console"
	"parley.internal/pkg/telemetry"
)

// Measure adds the service's figures, and the names of its routes, to a
// process's metrics.
func (s *Server) Measure(m *telemetry.Metrics) {
	m.Routes("/api/products", "/api/products/{code}", "/api/products/{code}/activation", "/api/products/{code}/tariff",
		"/api/offers", "/api/policies", "/api/policies/{number}", "/api/policies/{number}/termination")
	m.Register(console.Metrics{Service: source, Outbox: s.events, Relay: s.relay, Broker: s.broker})
}

// Told is the service by its events, for an operator.
func Told(databaseURL string) console.Service {
	return console.Service{Name: source, DatabaseURL: databaseURL, Source: source}
}

// Operate does what an operator typed behind "policyd events".
func Operate(ctx context.Context, cfg Config, args []string, in io.Reader, out, problems io.Writer) error {
	c := console.Console{
		Program: "policyd", Services: []console.Service{Told(cfg.DatabaseURL)}, Broker: cfg.Broker,
		In: in, Out: out, Err: problems,
	}
	return c.Run(ctx, args)
}

// ExitCode is what the program ends with after an error.
func ExitCode(err error) int { return console.ExitCode(err) }
