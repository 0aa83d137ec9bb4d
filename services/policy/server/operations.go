package server

import (
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// Measure registers the service's metrics and the contract's paths with the metrics
// of a process.
func (s *Server) Measure(m *telemetry.Metrics) {
	for _, o := range s.contract.Operations {
		m.Routes(o.Path)
	}
	m.Register(outbox.NewCollector(source, s.events, s.relay))
	if s.publisher != nil {
		m.Register(rabbit.NewCollector(source, s.publisher, s.listener))
	}
}

// EventService describes the service for the operators' command.
func EventService(databaseURL string) eventctl.Service {
	return eventctl.Service{Name: source, DatabaseURL: databaseURL, Source: source}
}
