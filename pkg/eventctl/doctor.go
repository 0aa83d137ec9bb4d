package eventctl

import (
	"context"
	"fmt"
	"strings"

	"parley.internal/pkg/rabbit"
)

type finding struct {
	Part   string `json:"part"`
	State  string `json:"state"` // ok, missing, different
	Detail string `json:"detail,omitempty"`
}

func runDoctor(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "doctor", "[--json]\nCompares exchanges and queues; AMQP cannot be asked for bindings, which a running service makes anew each time it connects.")
	if _, help, err := o.parse(args, 0); help || err != nil {
		return err
	}
	t, err := c.broker()
	if err != nil {
		return err
	}
	parts, err := t.Inspect(ctx, c.subscriptions()...)
	if err != nil {
		return err //nolint:wrapcheck // It says what it was doing.
	}
	findings, wrong := diagnose(parts)
	err = c.print(o, findings, func(t *table) {
		for _, f := range findings {
			t.row(f.State, f.Part, f.Detail)
		}
	})
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d of %d are not as wanted", ErrFound, wrong, len(parts))
	}
	return nil
}

func diagnose(parts []rabbit.Part) (findings []finding, wrong int) {
	for _, p := range parts {
		f := finding{Part: p.Name, State: string(p.State), Detail: p.Detail}
		switch _, isQueue := queueOf(p); {
		case p.State == rabbit.Missing:
			wrong++
			f.Detail = "a service that uses it makes it when it connects"
		case p.State == rabbit.Different:
			wrong++
			f.Detail += "; delete it there, or set what it was declared with (EVENTS_QUEUE_TYPE)"
		case isQueue && p.Consumers == 0:
			f.Detail = fmt.Sprintf("nobody consumes it; %d messages wait", p.Messages)
		}
		findings = append(findings, f)
	}
	return findings, wrong
}

func queueOf(p rabbit.Part) (name string, ok bool) { return strings.CutPrefix(p.Name, "queue ") }
