package server_test

import (
	"encoding/json"
	"testing"

	"parley.internal/api"
)

// example is one of the contract's.
func example(t *testing.T, name string) json.RawMessage {
	t.Helper()
	text, err := api.Files.ReadFile("examples/hubs/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fits wants each property of the example in what was sent, and no other.
func fits(t *testing.T, sent, shown json.RawMessage) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(shown, &want); err != nil {
		t.Fatal(err)
	}
	alike(t, "#", got, want)
}

func alike(t *testing.T, at string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is no object", at)
		}
		for name, value := range want {
			if _, here := got[name]; !here && name != "replyTo" {
				t.Errorf("%s/%s is missing", at, name)
			} else if here {
				alike(t, at+"/"+name, got[name], value)
			}
		}
		for name := range got {
			if _, here := want[name]; !here {
				t.Errorf("%s/%s is not in the example", at, name)
			}
		}
	case []any:
		got, ok := got.([]any)
		if !ok {
			t.Errorf("%s is no list", at)
		}
		if len(got) > 0 && len(want) > 0 {
			alike(t, at+"/0", got[0], want[0])
		}
	}
}
