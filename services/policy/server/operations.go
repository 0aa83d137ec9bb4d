package server

import (
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// Measure registers the service's metrics, and names its routes for the HTTP
// metrics.
func (s *Server) Measure(m *telemetry.Metrics) {
	m.Routes("/api/products", "/api/products/{code}", "/api/products/{code}/activation", "/api/products/{code}/tariff",
		"/api/offers", "/api/policies", "/api/policies/{number}", "/api/policies/{number}/termination")
	m.Register(outbox.NewCollector(source, s.events, s.relay))
	if s.publisher != nil {
		m.Register(rabbit.NewCollector(source, s.publisher, s.listener))
	}
}

// EventService describes the service to the operators' command.
func EventService(databaseURL string) eventctl.Service {
	return eventctl.Service{Name: source, DatabaseURL: databaseURL, Source: source}
}
