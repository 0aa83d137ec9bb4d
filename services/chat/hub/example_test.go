package hub

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/api"
	"parley.internal/chat"
)

// arguments are what an invocation carries, decoded as this side does it.
type arguments []any

func (a arguments) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for i := range raw {
		if err := strictly(raw[i], a[i]); err != nil {
			return err
		}
	}
	return nil
}

// strictly decodes what has no property that this side does not know.
func strictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Each example is decoded into what this side reads or sends, and encodes to the
// same again.
func TestTheContractsMessagesAreOurs(t *testing.T) {
	messages := map[string]any{
		"Join":                arguments{&map[string]position{}},
		"JoinResult":          &joined{},
		"Send":                arguments{new(string), new(string), new(string), &sendOptions{}},
		"SendResult":          &sent{},
		"History":             arguments{new(string), new(int64), new(int)},
		"HistoryResult":       &[]chat.Entry{},
		"MarkRead":            arguments{new(string), new(int64)},
		"RefreshToken":        arguments{new(string)},
		"Entry":               arguments{&chat.Entry{}},
		"Presence":            arguments{&[]chat.Presence{}},
		"Read":                arguments{new(string), new(string), new(int64)},
		"Behind":              arguments{new(string)},
		"Resync":              arguments{},
		"Draining":            arguments{new(int64)},
		"SendMessage":         arguments{new(string)},
		"ReceiveMessage":      arguments{new(string), new(string), new(string)},
		"ReceiveNotification": arguments{new(string)},
	}
	files, err := api.Files.ReadDir("examples/hubs")
	if err != nil || len(files) != len(messages) {
		t.Errorf("%d examples for %d messages, error %v", len(files), len(messages), err)
	}
	for name, ours := range messages {
		t.Run(name, func(t *testing.T) {
			text, err := api.Files.ReadFile("examples/hubs/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if list, ok := ours.(arguments); ok {
				err = list.UnmarshalJSON(text)
			} else {
				err = strictly(text, ours)
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(ours)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(value(t, text), value(t, again)); diff != "" {
				t.Errorf("(-example +ours):\n%s", diff)
			}
		})
	}
}

func value(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
