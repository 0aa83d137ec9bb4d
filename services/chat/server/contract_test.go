package server_test

import (
	"encoding/json"
	"testing"

	"parley.internal/api"
)

// example reads an example of the contract.
func example(t *testing.T, name string) json.RawMessage {
	t.Helper()
	text, err := api.Files.ReadFile("examples/hubs/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantShape compares a result with an example: the same properties, and no others.
func wantShape(t *testing.T, result, example json.RawMessage) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(result, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(example, &want); err != nil {
		t.Fatal(err)
	}
	compareShape(t, "#", got, want)
}

func compareShape(t *testing.T, at string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is not an object", at)
		}
		for name, value := range want {
			if _, found := got[name]; !found && name != "replyTo" {
				t.Errorf("%s/%s is missing", at, name)
			} else if found {
				compareShape(t, at+"/"+name, got[name], value)
			}
		}
		for name := range got {
			if _, found := want[name]; !found {
				t.Errorf("%s/%s is not in the example", at, name)
			}
		}
	case []any:
		got, ok := got.([]any)
		if !ok {
			t.Errorf("%s is not an array", at)
		}
		if len(got) > 0 && len(want) > 0 {
			compareShape(t, at+"/0", got[0], want[0])
		}
	}
}
