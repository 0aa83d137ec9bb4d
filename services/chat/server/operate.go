package server

import (
	"context"
	"io"

	"parley.internal/chat"
	"parley.internal/chat/hub"
	"parley.internal/pkg/console"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/telemetry"
)

// Measure adds the service's figures, and the names of its routes, to a
// process's metrics.
func (s *Server) Measure(m *telemetry.Metrics) {
	m.Routes("/api/streams", "/api/streams/{id}/entries", "/api/messages", "/api/messages/since",
		"/api/agents", "/api/notifications",
		hub.Path+"/negotiate", hub.AgentsChatPath+"/negotiate")
	for _, path := range []string{hub.Path, hub.AgentsChatPath} {
		m.Hub(path, func() map[string]int { return s.lobby.Open(path) })
	}
	m.Register(console.Metrics{Service: "chat", Inbox: s.inbox, Broker: s.broker})
}

// Told is the service by its events, for an operator.
func Told(databaseURL string) console.Service {
	var router event.Router[*database.Tx]
	chat.Announce(&router, nil) // Only the types are asked for.
	return console.Service{Name: "chat", DatabaseURL: databaseURL, Consumer: consumer, Types: router.Types()}
}

// Operate does what an operator typed behind "chatd events".
func Operate(ctx context.Context, cfg Config, args []string, in io.Reader, out, problems io.Writer) error {
	c := console.Console{
		Program: "chatd", Services: []console.Service{Told(cfg.DatabaseURL)}, Broker: cfg.Broker,
		In: in, Out: out, Err: problems,
	}
	return c.Run(ctx, args)
}

// ExitCode is what the program ends with after an error.
func ExitCode(err error) int { return console.ExitCode(err) }
