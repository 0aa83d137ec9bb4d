package eventctl

import (
	"bytes"
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

// line is an event in the input of publish.
type line struct {
	ID           string          `json:"id"`     // default: a new UUIDv7
	Type         string          `json:"type"`   // required
	Source       string          `json:"source"` // default: "operator"
	Time         time.Time       `json:"time"`   // default: now
	PartitionKey string          `json:"partitionKey"`
	Sequence     int64           `json:"sequence"`
	Data         json.RawMessage `json:"data"` // required: an object
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

func parseLine(text []byte) (event.Message, error) {
	l, err := decodeLine(text)
	if err != nil {
		return event.Message{}, err
	}
	m := event.Message{
		ID: l.ID, Type: l.Type, Source: l.Source, Time: l.Time.UTC(), PartitionKey: l.PartitionKey, Sequence: l.Sequence,
		Data: l.Data,
	}
	if m.ID == "" {
		m.ID = uuid.Must(uuid.NewV7()).String()
	}
	if m.Source == "" {
		m.Source = "operator"
	}
	if l.Time.IsZero() {
		m.Time = time.Now().UTC()
	}
	return m, nil
}

func decodeLine(text []byte) (l line, err error) {
	if !utf8.Valid(text) {
		return l, errors.New("invalid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return l, fmt.Errorf("not an event: %w", err)
	}
	_, err = decoder.Token()
	switch {
	case !errors.Is(err, io.EOF):
		return l, errors.New("more than one event on a line")
	case !typeName.MatchString(l.Type):
		return l, fmt.Errorf("type %q is not an event type", l.Type)
	case len(l.Data) == 0 || l.Data[0] != '{':
		return l, errors.New("data must be a JSON object")
	case len(l.ID) > maxShort || len(l.Source) > maxShort || len(l.PartitionKey) > maxShort:
		return l, fmt.Errorf("id, source and partitionKey must have at most %d bytes", maxShort)
	case (l.Sequence != 0) != (l.PartitionKey != "") || l.Sequence < 0:
		return l, errors.New("partitionKey and sequence, at least 1, go together")
	}
	return l, nil
}
