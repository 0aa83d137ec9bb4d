package eventctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.internal/pkg/rabbit"
)

// lag is the backlog of the services and their queues.
type lag struct {
	Services []serviceLag `json:"services"`
	Queues   []queueLag   `json:"queues,omitzero"`   // nil: the broker was not asked or did not answer
	Problem  string       `json:"problem,omitempty"` // the reason for nil Queues
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
	Rejected   int64   `json:"rejected"`
	Published  int64   `json:"published"` // kept for replay
}

type inboxLag struct {
	Waiting          int64   `json:"waiting"` // for a predecessor
	Retry            int64   `json:"retry"`
	Oldest           float64 `json:"oldestSeconds"`
	Dead             int64   `json:"dead"`
	DeduplicationIDs int64   `json:"deduplicationIds"`
}

type queueLag struct {
	Queue     string `json:"queue"`
	State     string `json:"state"`
	Ready     int    `json:"ready"` // without unacked messages
	Consumers int    `json:"consumers"`
}

const readyHelp = "READY excludes unacked messages, which AMQP does not report: " +
	"see parley_consumer_unacked_messages in /metrics of each consumer."

const lagUsage = "[--json]\n" + readyHelp + "\nIf the broker does not answer, the rest is printed and the exit code is 1."

func prepareLag(c *CLI, f *flags) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error {
		services, err := collect(ctx, c, func(s *store) ([]serviceLag, error) { return s.lag(ctx) })
		if err != nil {
			return err
		}
		l := lag{Services: services}
		l.Queues, err = queueLags(ctx, c)
		if err != nil {
			l.Problem = err.Error()
			err = fmt.Errorf("inspect queues: %w", err)
		}
		if errors.Is(err, errNoBroker) {
			err = nil // a single process can run without a broker
		}
		return errors.Join(c.print(f, l, l.write), err)
	}
}

// lag returns the backlog of the service, in a list for collect.
func (s *store) lag(ctx context.Context) ([]serviceLag, error) {
	l := serviceLag{Service: s.Name}
	if s.outbox != nil {
		stats, err := s.outbox.Stats(ctx)
		if err != nil {
			return nil, err
		}
		l.Outbox = &outboxLag{
			Pending: stats.Pending, Oldest: age(stats.Oldest), Unroutable: stats.Unroutable, Rejected: stats.Rejected, Published: stats.Published,
		}
	}
	if s.inbox != nil {
		stats, err := s.inbox.Stats(ctx)
		if err != nil {
			return nil, err
		}
		l.Inbox = &inboxLag{
			Waiting: stats.Waiting, Retry: stats.Retry, Oldest: age(stats.Oldest), DeduplicationIDs: stats.DeduplicationIDs,
		}
		for _, d := range stats.Dead {
			l.Inbox.Dead += d.Events
		}
	}
	return []serviceLag{l}, nil
}

// age returns the seconds since at, 0 for the zero time.
func age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, time.Since(at).Seconds())
}

func queueLags(ctx context.Context, c *CLI) ([]queueLag, error) {
	parts, err := c.inspect(ctx)
	if err != nil {
		return nil, err
	}
	queues := []queueLag{}
	for _, p := range parts {
		if name, ok := queueName(p); ok {
			queues = append(queues, queueLag{
				Queue: name, State: string(p.State), Ready: p.Messages, Consumers: p.Consumers,
			})
		}
	}
	return queues, nil
}

func (l lag) write(t *table) {
	t.row("SERVICE", "PENDING", "OLDEST", "UNROUTABLE", "REJECTED", "PUBLISHED", "WAITING", "RETRY", "OLDEST", "DEAD")
	for _, s := range l.Services {
		row := []any{s.Service, "-", "-", "-", "-", "-", "-", "-", "-", "-"}
		if o := s.Outbox; o != nil {
			copy(row[1:], []any{o.Pending, seconds(o.Oldest), o.Unroutable, o.Rejected, o.Published})
		}
		if i := s.Inbox; i != nil {
			copy(row[6:], []any{i.Waiting, i.Retry, seconds(i.Oldest), i.Dead})
		}
		t.row(row...)
	}
	switch {
	case l.Problem != "":
		t.gap()
		t.row("no queues: " + l.Problem)
	case len(l.Queues) > 0:
		t.gap()
		l.writeQueues(t)
	}
}

func (l lag) writeQueues(t *table) {
	t.row("QUEUE", "READY", "CONSUMERS")
	for _, q := range l.Queues {
		if q.State == string(rabbit.Missing) {
			t.row(q.Queue, "missing")
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
