package eventctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
)

const tailUsage = `[--type T …] [--data] [--json]
Receives events through a temporary queue until it is interrupted, by default of all types with a
known queue. An event of another type would not become unroutable while tail runs: the broker would
deliver it to the temporary queue alone and lose it.`

func prepareTail(c *CLI, f *flags) func(context.Context, []string) error {
	var types []string
	f.addList(&types, "type", "only this `type`; may be repeated")
	body := f.Bool("data", false, "print bodies, which may hold personal data")
	risk := f.Bool("risk-loss", false, "allow types without a known queue")
	return func(ctx context.Context, _ []string) error {
		parts, err := c.inspect(ctx)
		if err != nil {
			return err
		}
		if types, err = tailTypes(parts, types, *risk); err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var writeError error
		err = rabbit.Tap(ctx, c.broker(), types, func() {
			fmt.Fprintf(c.Err, "listening for %s\n", strings.Join(types, ", "))
		}, func(m event.Message) {
			if err := printTailed(c, f.json, *body, m); err != nil {
				writeError = err // the reader of the output has gone
				stop()
			}
		})
		return errors.Join(writeError, err)
	}
}

// tailTypes returns the types to receive: the wanted types, by default all with
// a queue. Without risk, a wanted type without a queue is an error.
func tailTypes(parts []rabbit.Part, wanted []string, risk bool) ([]string, error) {
	var queued []string
	for _, p := range parts {
		name, isQueue := queueName(p)
		if eventType := name[strings.LastIndex(name, "-")+1:]; isQueue && p.State != rabbit.Missing && !slices.Contains(queued, eventType) {
			queued = append(queued, eventType)
		}
	}
	if len(wanted) == 0 {
		if len(queued) == 0 {
			return nil, errors.New("no queue is known here: name the types (--type)")
		}
		return queued, nil
	}
	for _, eventType := range wanted {
		if !typeName.MatchString(eventType) {
			return nil, usageErrorf("events tail: %q is not an event type", eventType)
		}
		if !risk && !slices.Contains(queued, eventType) {
			return nil, fmt.Errorf("no queue is known for %s, so events that are published during the tail would be lost: name a queue in EVENTS_QUEUES, or use --risk-loss", eventType)
		}
	}
	return wanted, nil
}

func printTailed(c *CLI, asJSON, body bool, m event.Message) error {
	if !body || !json.Valid(m.Data) {
		m.Data = nil
	}
	if asJSON {
		return json.NewEncoder(c.Out).Encode(line{
			ID: m.ID, Type: m.Type, Source: m.Source, Time: m.Time, PartitionKey: m.PartitionKey, Sequence: m.Sequence, Data: m.Data,
		})
	}
	text := fmt.Sprintf("%s  %s  %s  %s %d  %s", m.Time.Format(time.RFC3339), m.Type, m.ID, m.PartitionKey, m.Sequence, m.Data)
	_, err := fmt.Fprintln(c.Out, strings.TrimSpace(printable(text)))
	return err
}
