package server

import (
	"context"
	"io"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/console"
	policy "parley.internal/policy/server"
)

// Operate does what an operator typed behind "parley events", with those of the
// services that run here. Only the databases, the services' addresses and the
// broker of cfg matter.
func Operate(ctx context.Context, cfg Config, args []string, in io.Reader, out, problems io.Writer) error {
	c := console.Console{Program: "parley", Broker: cfg.Broker, In: in, Out: out, Err: problems}
	if cfg.PolicyURL == "" {
		c.Services = append(c.Services, policy.Told(cfg.PolicyDatabaseURL))
	}
	if cfg.ChatURL == "" {
		c.Services = append(c.Services, chat.Told(cfg.ChatDatabaseURL))
	}
	return c.Run(ctx, args)
}

// ExitCode is what the program ends with after an error.
func ExitCode(err error) int { return console.ExitCode(err) }
