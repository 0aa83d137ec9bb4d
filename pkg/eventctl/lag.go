package eventctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
)

// lag is how far behind things are.
type lag struct {
	Services []serviceLag `json:"services"`
	Queues   []queueLag   `json:"queues,omitzero"`   // nil: nobody could say
	Problem  string       `json:"problem,omitempty"` // why there are no queues
}

type serviceLag struct {
	Service string     `json:"service"`
	Outbox  *outboxLag `json:"outbox,omitempty"`
	Inbox   *inboxLag  `json:"inbox,omitempty"`
}

type outboxLag struct {
	Pending    int64   `json:"pending"`
	Oldest     float64 `json:"oldestSeconds"`
	Unroutable int64   `json:"unroutable"`
	Refused    int64   `json:"refused"`
	Retained   int64   `json:"retained"`
}

type inboxLag struct {
	Waiting    int64   `json:"waiting"`
	Retry      int64   `json:"retry"`
	Oldest     float64 `json:"oldestSeconds"`
	Dead       int64   `json:"dead"`
	Remembered int64   `json:"remembered"`
}

type queueLag struct {
	Queue     string `json:"queue"`
	State     string `json:"state"`
	Ready     int    `json:"ready"` // no consumer has them in hand
	Consumers int    `json:"consumers"`
}

// readyHelp says what AMQP can be asked for, and who knows the rest.
const readyHelp = "READY are messages that no consumer has in hand. The broker does not tell of the others over AMQP: " +
	"each consumer does, at /metrics, as parley_consumer_in_hand."

func runLag(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "lag", "[--json]\n"+readyHelp+"\nIt fails if no broker answers, and tells the rest all the same.")
	if _, help, err := o.parse(args, 0); help || err != nil {
		return err
	}
	var l lag
	err := c.each(ctx, func(ctx context.Context, s *opened) error {
		one, err := measure(ctx, s)
		l.Services = append(l.Services, one)
		return err
	})
	if err != nil {
		return err
	}
	if c.hasBroker() {
		err = c.queues(ctx, &l)
	} else {
		l.Problem = errNoBroker.Error() // In one process there need not be one.
	}
	if err != nil {
		l.Problem = err.Error() // The rest is worth knowing all the same.
		err = fmt.Errorf("look at the queues: %w", err)
	}
	return errors.Join(c.print(o, l, func(t *table) { l.write(t) }), err)
}

func measure(ctx context.Context, s *opened) (l serviceLag, err error) {
	l.Service = s.Name
	if s.outbox != nil {
		f, err := s.outbox.Figures(ctx)
		if err != nil {
			return l, err //nolint:wrapcheck // each says for whom.
		}
		l.Outbox = &outboxLag{
			Pending: f.Pending, Oldest: age(f.Oldest), Unroutable: f.Unroutable, Refused: f.Refused, Retained: f.Sent,
		}
	}
	if s.inbox != nil {
		f, err := s.inbox.Figures(ctx)
		if err != nil {
			return l, err //nolint:wrapcheck // As above.
		}
		l.Inbox = &inboxLag{
			Waiting: f.Waiting, Retry: f.Retry, Oldest: age(f.Oldest), Dead: dead(f), Remembered: f.Remembered,
		}
	}
	return l, nil
}

func dead(f outbox.InboxFigures) (n int64) {
	for _, d := range f.Dead {
		n += d.Events
	}
	return n
}

// age is how long ago something was, in seconds; 0 if it was not.
func age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, time.Since(at).Seconds())
}

func (c *CLI) queues(ctx context.Context, l *lag) error {
	t, err := c.broker()
	if err != nil {
		return err
	}
	parts, err := t.Inspect(ctx, c.subscriptions()...)
	if err == nil {
		l.Queues = []queueLag{} // It may be that none is wanted.
	}
	for _, p := range parts {
		if name, ok := queueOf(p); ok {
			l.Queues = append(l.Queues, queueLag{
				Queue: name, State: string(p.State), Ready: p.Messages, Consumers: p.Consumers,
			})
		}
	}
	return err //nolint:wrapcheck // It says what it was doing.
}

func (l lag) write(t *table) {
	t.row("SERVICE", "PENDING", "OLDEST", "UNROUTABLE", "REFUSED", "RETAINED", "WAITING", "RETRY", "OLDEST", "DEAD")
	for _, s := range l.Services {
		row := []any{s.Service}
		if o := s.Outbox; o != nil {
			row = append(row, o.Pending, seconds(o.Oldest), o.Unroutable, o.Refused, o.Retained)
		} else {
			row = append(row, "-", "-", "-", "-", "-")
		}
		if i := s.Inbox; i != nil {
			row = append(row, i.Waiting, i.Retry, seconds(i.Oldest), i.Dead)
		} else {
			row = append(row, "-", "-", "-", "-")
		}
		t.row(row...)
	}
	if l.Problem != "" {
		t.gap()
		t.row("no queues: " + l.Problem)
		return
	}
	if len(l.Queues) == 0 {
		return
	}
	t.gap()
	t.row("QUEUE", "READY", "CONSUMERS")
	for _, q := range l.Queues {
		if q.State == string(rabbit.Missing) {
			t.row(q.Queue, "missing", "")
			continue
		}
		t.row(q.Queue, q.Ready, q.Consumers)
	}
	t.gap()
	t.row(readyHelp)
}

func seconds(s float64) string {
	return fmt.Sprint(time.Duration(s * float64(time.Second)).Round(time.Millisecond))
}
