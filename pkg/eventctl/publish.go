package eventctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/event"
)

// line is an event as an operator writes it.
type line struct {
	ID           string          `json:"id"`   // a new one by default
	Type         string          `json:"type"` // needed
	Source       string          `json:"source"`
	Time         time.Time       `json:"time"` // now by default
	PartitionKey string          `json:"partitionKey"`
	Sequence     int64           `json:"sequence"`
	Data         json.RawMessage `json:"data"` // needed: an object
}

const (
	maxInput      = 256 << 20
	defaultSource = "operator"
	publishWindow = 512
	publishRetry  = 500 * time.Millisecond
	publishTries  = 5
	maxName       = 255 // AMQP has no room for more
	mostWrong     = 10  // lines that are told
)

var typeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,99}$`)

func runPublish(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "publish", `[--json] < lines
Each line: {"type":"PolicyCreated","data":{…}} and, if wanted, "id", "source", "time", "partitionKey" and "sequence".
All lines are read first: if one is wrong, none is sent, and the first ten that are wrong are told.`)
	if _, help, err := o.parse(args, 0); help || err != nil {
		return err
	}
	messages, err := readLines(c.In)
	if err != nil {
		return err
	}
	t, err := c.broker()
	if err != nil {
		return err
	}
	t.TellListeners()
	connected, disconnect := context.WithCancel(ctx)
	var running errgroup.Group
	running.Go(func() error { return t.Run(connected) })
	results := publishAll(ctx, t, messages)
	problems := t.Degraded()
	disconnect()
	if err := running.Wait(); err != nil {
		return err
	}
	return c.published(o, messages, results, problems)
}

// readLines reads events, and refuses all if one of them is wrong.
func readLines(r io.Reader) (messages []event.Message, err error) {
	input, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if len(input) > maxInput {
		return nil, fmt.Errorf("standard input is longer than %d bytes", maxInput)
	}
	var wrong []error // the first ones
	more := 0
	for i, text := range bytes.Split(input, []byte("\n")) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		m, err := parseLine(text)
		switch {
		case err == nil:
			messages = append(messages, m)
		case len(wrong) < mostWrong:
			wrong = append(wrong, fmt.Errorf("line %d: %w", i+1, err))
		default:
			more++
		}
	}
	if more > 0 {
		wrong = append(wrong, fmt.Errorf("more wrong lines: %d", more))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("nothing was sent:\n%w", errors.Join(wrong...))
	}
	return messages, nil
}

func parseLine(text []byte) (event.Message, error) {
	if !utf8.Valid(text) {
		return event.Message{}, errors.New("this is not UTF-8")
	}
	var l line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return event.Message{}, fmt.Errorf("this is no event: %w", err)
	}
	_, err := decoder.Token()
	switch {
	case !errors.Is(err, io.EOF):
		return event.Message{}, errors.New("one event on a line")
	case !typeName.MatchString(l.Type):
		return event.Message{}, fmt.Errorf("type %q is no type of event", l.Type)
	case len(l.Data) == 0 || l.Data[0] != '{':
		return event.Message{}, errors.New("data is no JSON object")
	case len(l.ID) > maxName || len(l.Source) > maxName || len(l.PartitionKey) > maxName:
		return event.Message{}, fmt.Errorf("id, source and partitionKey have %d bytes at most", maxName)
	case (l.Sequence != 0) != (l.PartitionKey != "") || l.Sequence < 0:
		return event.Message{}, errors.New("partitionKey and sequence, from 1 on, go together")
	}
	m := event.Message{
		ID: l.ID, Type: l.Type, Source: l.Source, Time: l.Time.UTC(), PartitionKey: l.PartitionKey, Sequence: l.Sequence,
		Data: l.Data,
	}
	if m.ID == "" {
		m.ID = uuid.Must(uuid.NewV7()).String()
	}
	if m.Source == "" {
		m.Source = defaultSource
	}
	if l.Time.IsZero() {
		m.Time = time.Now().UTC()
	}
	return m, nil
}

// publishAll answers for each message. What may have been lost is published
// again, with the same id.
func publishAll(ctx context.Context, p event.Publisher, messages []event.Message) []error {
	results := make([]error, len(messages))
	for from := 0; from < len(messages); from += publishWindow {
		at := make([]int, 0, publishWindow)
		for i := from; i < min(from+publishWindow, len(messages)); i++ {
			at = append(at, i)
		}
		for try := 0; len(at) > 0 && try < publishTries && ctx.Err() == nil; try++ {
			if at = publishSome(ctx, p, messages, at, results); len(at) > 0 {
				pause(ctx, publishRetry) // The connection is made anew meanwhile.
			}
		}
		if len(at) > 0 {
			for i := from + publishWindow; i < len(messages); i++ {
				results[i] = event.ErrUnavailable
			}
			break
		}
	}
	return results
}

// publishSome publishes those at some places, and returns the places of those to
// publish again.
func publishSome(
	ctx context.Context, p event.Publisher, messages []event.Message, at []int, results []error,
) (again []int) {
	batch := make([]event.Message, len(at))
	for i, place := range at {
		batch[i] = messages[place]
	}
	for i, err := range p.Publish(ctx, batch) {
		results[at[i]] = err
		if err != nil && !errors.Is(err, event.ErrUnroutable) && !errors.Is(err, event.ErrRefused) {
			again = append(again, at[i])
		}
	}
	return again
}

type published struct {
	Published  int      `json:"published"`
	Unroutable []string `json:"unroutable"` // ids
	Refused    []string `json:"refused"`    // ids
	Failed     []string `json:"failed"`     // ids: they may have been taken
}

func (c *CLI) published(o *options, messages []event.Message, results []error, problems []string) error {
	p := published{Unroutable: []string{}, Refused: []string{}, Failed: []string{}}
	var last, refusal error
	for i, err := range results {
		switch {
		case err == nil:
			p.Published++
		case errors.Is(err, event.ErrUnroutable):
			p.Unroutable = append(p.Unroutable, messages[i].ID)
		case errors.Is(err, event.ErrRefused):
			p.Refused, refusal = append(p.Refused, messages[i].ID), err
		default:
			p.Failed, last = append(p.Failed, messages[i].ID), err
		}
	}
	err := c.print(o, p, func(t *table) {
		t.row("published", p.Published)
		for _, not := range []struct {
			why string
			ids []string
		}{{"unroutable", p.Unroutable}, {"refused", p.Refused}, {"failed", p.Failed}} {
			for _, id := range not.ids {
				t.row(not.why, id)
			}
		}
	})
	switch {
	case err != nil:
		return err
	case last != nil:
		return fmt.Errorf("%d were not confirmed: %w %q", len(p.Failed), last, problems)
	case refusal != nil:
		return fmt.Errorf("%w: %d were refused: %w", ErrFound, len(p.Refused), refusal)
	case len(p.Unroutable) > 0:
		return fmt.Errorf("%w: nobody has a queue for %d of them", ErrFound, len(p.Unroutable))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
