package eventctl

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"parley.internal/pkg/event"
)

// line is an event in the input of publish and in the output of tail.
type line struct {
	ID           string          `json:"id"`                     // by default a new UUIDv7
	Type         string          `json:"type"`                   // required
	Source       string          `json:"source"`                 // by default "operator"
	Time         time.Time       `json:"time"`                   // by default now
	PartitionKey string          `json:"partitionKey,omitempty"` // goes with Sequence
	Sequence     int64           `json:"sequence,omitempty"`     // at least 1
	Data         json.RawMessage `json:"data,omitempty"`         // required: an object
}

const (
	maxInput     = 256 << 20
	maxShort     = 255 // bytes of an AMQP short string
	maxLineError = 10  // reported invalid lines
)

var typeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,99}$`)

// readLines reads an event per line, and returns no events if a line is invalid.
func readLines(r io.Reader) (messages []event.Message, err error) {
	input, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if len(input) > maxInput {
		return nil, fmt.Errorf("standard input is longer than %d bytes", maxInput)
	}
	var invalid []error
	for i, text := range bytes.Split(input, []byte("\n")) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		m, err := parseLine(text)
		if err != nil {
			invalid = append(invalid, fmt.Errorf("line %d: %w", i+1, err))
		}
		messages = append(messages, m)
	}
	if more := len(invalid) - maxLineError; more > 0 {
		invalid = append(invalid[:maxLineError], fmt.Errorf("more invalid lines: %d", more))
	}
	if len(invalid) > 0 {
		return nil, fmt.Errorf("nothing was published:\n%w", errors.Join(invalid...))
	}
	return messages, nil
}

func parseLine(text []byte) (m event.Message, err error) {
	if !utf8.Valid(text) {
		return m, errors.New("invalid UTF-8")
	}
	var l line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return m, fmt.Errorf("not an event: %w", err)
	}
	_, err = decoder.Token()
	switch {
	case !errors.Is(err, io.EOF):
		return m, errors.New("more than one event on a line")
	case !typeName.MatchString(l.Type):
		return m, fmt.Errorf("type %q is not an event type", l.Type)
	case len(l.Data) == 0 || l.Data[0] != '{':
		return m, errors.New("data must be a JSON object")
	case len(l.ID) > maxShort || len(l.Source) > maxShort || len(l.PartitionKey) > maxShort:
		return m, fmt.Errorf("id, source and partitionKey must have at most %d bytes", maxShort)
	case (l.Sequence != 0) != (l.PartitionKey != "") || l.Sequence < 0:
		return m, errors.New("partitionKey and sequence, at least 1, go together")
	}
	return event.Message{
		ID: cmp.Or(l.ID, uuid.Must(uuid.NewV7()).String()), Type: l.Type, Source: cmp.Or(l.Source, "operator"),
		Time: cmp.Or(l.Time, time.Now()).UTC(), PartitionKey: l.PartitionKey, Sequence: l.Sequence, Data: l.Data,
	}, nil
}
