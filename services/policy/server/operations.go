package server

import (
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// Measure registers the service's metrics and the contract's paths with the metrics
// of a process.
func (s *Server) Measure(m *telemetry.Metrics) {
	for _, o := range s.contract.Operations {
		m.Routes(o.Path)
	}
	metrics := eventctl.Metrics{Service: source, Outbox: s.events, Relay: s.relay}
	if s.publisher != nil {
		metrics.Broker = []rabbit.Role{s.publisher, s.listener}
	}
	m.Register(metrics)
}

// EventService describes the service for the operators' command.
func EventService(databaseURL string) eventctl.Service {
	return eventctl.Service{Name: source, DatabaseURL: databaseURL, Source: source}
}
