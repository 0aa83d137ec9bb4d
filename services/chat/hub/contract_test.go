package hub

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley.internal/api"
	"parley.internal/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arguments decodes the arguments of a call, as the hub does.
type arguments []any

func (a arguments) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for i := range raw {
		if err := decodeStrictly(raw[i], a[i]); err != nil {
			return err
		}
	}
	return nil
}

// decodeStrictly rejects properties that the Go type lacks.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Each example of the contract decodes into the hub's own type, which encodes to the
// same JSON.
func TestContractExamplesFitTheHub(t *testing.T) {
	messages := map[string]any{
		"Join":                arguments{&map[string]cursor{}},
		"JoinResult":          &joinResult{},
		"Send":                arguments{new(string), new(string), new(string), &sendOptions{}},
		"SendResult":          &sendResult{},
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
		t.Errorf("got %d examples, want %d, error %v", len(files), len(messages), err)
	}
	for name, decoded := range messages {
		t.Run(name, func(t *testing.T) {
			text, err := api.Files.ReadFile("examples/hubs/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if list, ok := decoded.(arguments); ok {
				err = list.UnmarshalJSON(text)
			} else {
				err = decodeStrictly(text, decoded)
			}
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(decoded)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(value(t, text), value(t, encoded)); diff != "" {
				t.Errorf("encoded (-example +hub):\n%s", diff)
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
