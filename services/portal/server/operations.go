package server

import (
	chat "parley.internal/chat/server"
	"parley.internal/pkg/eventctl"
	policy "parley.internal/policy/server"
)

// EventServices describes the services that run in this process to the command
// "events". Services with a URL run elsewhere and are left out.
func EventServices(cfg Config) (services []eventctl.Service) {
	if cfg.PolicyURL == "" {
		services = append(services, policy.EventService(cfg.PolicyDatabaseURL))
	}
	if cfg.ChatURL == "" {
		services = append(services, chat.EventService(cfg.ChatDatabaseURL))
	}
	return services
}
