package server

import (
	"parley.internal/chat"
	"parley.internal/chat/hub"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// Measure registers the service's metrics, and names its routes for the HTTP
// metrics.
func (s *Server) Measure(m *telemetry.Metrics) {
	m.Routes("/api/streams", "/api/streams/{id}/entries", "/api/messages", "/api/messages/since",
		"/api/agents", "/api/notifications",
		hub.Path+"/negotiate", hub.AgentsChatPath+"/negotiate")
	m.Hub(hub.Path)
	m.Hub(hub.AgentsChatPath)
	m.Register(hub.Collector{Node: s.node})
	m.Register(inbox.NewCollector("chat", s.inbox))
	if s.broker != nil {
		m.Register(rabbit.NewCollector("chat", s.broker))
	}
}

// EventService describes the service to the operators' command.
func EventService(databaseURL string) eventctl.Service {
	var router event.Router[*database.Tx]
	chat.HandleNotices(&router, nil) // Only the event types are read.
	return eventctl.Service{Name: "chat", DatabaseURL: databaseURL, Consumer: consumer, Types: router.Types()}
}
