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

const doctorUsage = "[--json]\nCompares exchanges and queues. AMQP cannot list bindings; a running service declares them on each connect."

func prepareDoctor(c *CLI, f *flags) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error {
		parts, err := c.inspect(ctx)
		if err != nil {
			return err
		}
		findings, problems := diagnose(parts)
		err = c.print(f, findings, func(t *table) {
			for _, f := range findings {
				t.row(f.State, f.Part, f.Detail)
			}
		})
		if err == nil && problems > 0 {
			err = fmt.Errorf("%w: %d of %d exchanges and queues are missing or different", ErrProblem, problems, len(parts))
		}
		return err
	}
}

func diagnose(parts []rabbit.Part) (findings []finding, problems int) {
	for _, p := range parts {
		f := finding{Part: p.Name, State: string(p.State), Detail: p.Detail}
		switch _, isQueue := queueName(p); {
		case p.State == rabbit.Missing:
			problems++
			f.Detail = "the service that uses it declares it when it connects"
		case p.State == rabbit.Different:
			problems++
			f.Detail += "; delete it on the broker, or restore the setting that declared it (EVENTS_QUEUE_TYPE)"
		case isQueue && p.Consumers == 0:
			f.Detail = fmt.Sprintf("no consumer; %d messages ready", p.Messages)
		}
		findings = append(findings, f)
	}
	return findings, problems
}

func queueName(p rabbit.Part) (name string, ok bool) { return strings.CutPrefix(p.Name, "queue ") }
