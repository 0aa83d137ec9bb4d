package eventctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/retry"
)

const publishUsage = `[--json] < lines
Each line: {"type":"PolicyCreated","data":{…}} and, if needed, "id", "source", "time", "partitionKey" and "sequence".
All lines are read before the first is published: if a line is invalid, nothing is published, and the first ten
invalid lines are reported.`

func preparePublish(c *CLI, f *flags) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error {
		messages, err := readLines(c.In)
		if err != nil {
			return err
		}
		t, err := rabbit.NewPublisher(c.broker())
		if errors.Is(err, rabbit.ErrNoBroker) {
			return errNoBroker
		}
		if err != nil {
			return err
		}
		t.CopyToListeners()
		connected, disconnect := context.WithCancel(ctx)
		var running errgroup.Group
		running.Go(func() error { return t.Run(connected) })
		results := publishAll(ctx, t, messages)
		degraded := t.Degraded()
		disconnect()
		if err := running.Wait(); err != nil {
			return err
		}
		return printPublished(c, f, messages, results, degraded)
	}
}

const (
	publishBatch    = 512
	publishAttempts = 5
	publishDelay    = 500 * time.Millisecond // between attempts; the transport reconnects meanwhile
)

// publishAll publishes messages in batches and returns the result of each. It
// gives up after a batch without all confirms: the rest is ErrUnavailable.
func publishAll(ctx context.Context, p event.Publisher, messages []event.Message) []error {
	results := slices.Repeat([]error{event.ErrUnavailable}, len(messages))
	for from := 0; from < len(messages); from += publishBatch {
		to := min(from+publishBatch, len(messages))
		if !publishRetrying(ctx, p, messages[from:to], results[from:to]) {
			break
		}
	}
	return results
}

// publishRetrying publishes a batch. Unconfirmed messages, perhaps lost by the
// broker, are published again with the same ids. It reports whether all results
// are final.
func publishRetrying(ctx context.Context, p event.Publisher, messages []event.Message, results []error) bool {
	for attempt := range publishAttempts {
		if attempt > 0 {
			retry.Wait(ctx, publishDelay)
		}
		if ctx.Err() != nil {
			return false
		}
		var batch []event.Message
		var indexes []int
		for i, err := range results {
			if !isFinal(err) {
				batch, indexes = append(batch, messages[i]), append(indexes, i)
			}
		}
		for i, err := range p.Publish(ctx, batch) {
			results[indexes[i]] = err
		}
		if !slices.ContainsFunc(results, func(err error) bool { return !isFinal(err) }) {
			return true
		}
	}
	return false
}

func isFinal(err error) bool {
	return err == nil || errors.Is(err, event.ErrUnroutable) || errors.Is(err, event.ErrRejected)
}

type published struct {
	Published  int      `json:"published"`
	Unroutable []string `json:"unroutable"` // ids
	Rejected   []string `json:"rejected"`   // ids
	Failed     []string `json:"failed"`     // ids without a confirm: the broker may have accepted them
}

func printPublished(c *CLI, f *flags, messages []event.Message, results []error, degraded []string) error {
	p := published{Unroutable: []string{}, Rejected: []string{}, Failed: []string{}}
	var failure, rejection error // the last of each
	for i, err := range results {
		switch id := messages[i].ID; {
		case err == nil:
			p.Published++
		case errors.Is(err, event.ErrUnroutable):
			p.Unroutable = append(p.Unroutable, id)
		case errors.Is(err, event.ErrRejected):
			p.Rejected, rejection = append(p.Rejected, id), err
		default:
			p.Failed, failure = append(p.Failed, id), err
		}
	}
	err := c.print(f, p, p.write)
	switch {
	case err != nil:
		return err
	case failure != nil:
		return fmt.Errorf("%d events were not confirmed: %w %q", len(p.Failed), failure, degraded)
	case rejection != nil:
		return fmt.Errorf("%w: %d events were rejected: %w", ErrProblem, len(p.Rejected), rejection)
	case len(p.Unroutable) > 0:
		return fmt.Errorf("%w: %d events are unroutable", ErrProblem, len(p.Unroutable))
	}
	return nil
}

func (p published) write(t *table) {
	t.row("published", p.Published)
	for _, failed := range []struct {
		result string
		ids    []string
	}{{"unroutable", p.Unroutable}, {"rejected", p.Rejected}, {"failed", p.Failed}} {
		for _, id := range failed.ids {
			t.row(failed.result, id)
		}
	}
}
