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

// told is an event as tail prints it.
type told struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Source       string          `json:"source"`
	Time         time.Time       `json:"time"`
	PartitionKey string          `json:"partitionKey,omitempty"`
	Sequence     int64           `json:"sequence,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
}

func runTail(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "tail", `[--type T …] [--data] [--json]
A queue of its own hears what is published, until it is interrupted. By default: the types
that a service known here has a queue for. An event of another type would count as wanted
while this listens, and be lost with its queue.`)
	var types texts
	o.Var(&types, "type", "only this `type`; may be given several times")
	body := o.Bool("data", false, "with the bodies, which may hold what is private")
	risk := o.Bool("risk-loss", false, "also types that no queue is known for")
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
	if types, err = tapped(parts, types, *risk); err != nil {
		return err
	}
	var broken error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = t.Tap(ctx, types, func() {
		fmt.Fprintf(c.Err, "hearing %s\n", strings.Join(types, ", "))
	}, func(m event.Message) {
		if err := c.tell(o.json, *body, m); err != nil {
			broken = err // Whoever read it has gone.
			stop()
		}
	})
	return errors.Join(broken, err)
}

// tapped are the types to hear: those that are wanted, or all that have a queue.
func tapped(parts []rabbit.Part, wanted []string, risk bool) ([]string, error) {
	var kept []string
	for _, p := range parts {
		name, isQueue := queueOf(p)
		if eventType := name[strings.LastIndex(name, "-")+1:]; isQueue && p.State != rabbit.Missing && !slices.Contains(kept, eventType) {
			kept = append(kept, eventType)
		}
	}
	if len(wanted) == 0 {
		if len(kept) == 0 {
			return nil, errors.New("no queue is known here: name the types (--type)")
		}
		return kept, nil
	}
	for _, eventType := range wanted {
		if !typeName.MatchString(eventType) {
			return nil, misused("events tail: %q is no type of event", eventType)
		}
		if !risk && !slices.Contains(kept, eventType) {
			return nil, fmt.Errorf("no queue is known for %s: while this listens, one that nobody else wants is lost; name its queue in EVENTS_QUEUES, or say --risk-loss", eventType)
		}
	}
	return wanted, nil
}

func (c *CLI) tell(asJSON, body bool, m event.Message) error {
	e := told{ID: m.ID, Type: m.Type, Source: m.Source, Time: m.Time, PartitionKey: m.PartitionKey, Sequence: m.Sequence}
	if body && json.Valid(m.Data) {
		e.Data = m.Data
	}
	if asJSON {
		return json.NewEncoder(c.Out).Encode(e) //nolint:wrapcheck // Standard output is the caller's.
	}
	text := fmt.Sprintf("%s  %s  %s  %s %d  %s", e.Time.Format(time.RFC3339), e.Type, e.ID, e.PartitionKey, e.Sequence, e.Data)
	_, err := fmt.Fprintln(c.Out, strings.TrimSpace(strings.Map(visible, text)))
	return err //nolint:wrapcheck // As above.
}
