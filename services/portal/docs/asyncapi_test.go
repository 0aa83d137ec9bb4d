package docs

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// contractOf returns a contract with one message, M, with the given payload.
func contractOf(payload string) fstest.MapFS {
	const head = `
channels: {c: {address: c}}
operations:
  o: {action: send, channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/channels/c/messages/M'}]}
components:
  messages:
    M: {payload: `
	return fstest.MapFS{
		"asyncapi/d.yaml":   {Data: []byte(head + payload + "}\n")},
		"examples/M.json":   {Data: []byte("{}")},
		"schemas/Tree.yaml": {Data: []byte(`{type: object, properties: {leaf: true, children: {type: array, items: {$ref: Tree.yaml}}}}`)},
		"schemas/Loop.yaml": {Data: []byte(`{$ref: Loop.yaml}`)},
	}
}

// readMessages returns the messages of contractOf(payload).
func readMessages(payload, examples string) ([]*pageMessage, error) {
	p, err := readPage(contractOf(payload), "asyncapi/d.yaml", examples)
	if err != nil {
		return nil, err
	}
	return p.Messages("c")
}

func TestRecursiveSchemaIsBounded(t *testing.T) {
	for _, payload := range []string{"{$ref: ../schemas/Tree.yaml}", "{$ref: ../schemas/Loop.yaml}"} {
		messages, err := readMessages(payload, "examples")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(messages[0].Properties); n > 20 {
			t.Errorf("%s: got %d rows, want at most 20", payload, n)
		}
	}
}

func TestDescriptionBesideReferenceTakesPrecedence(t *testing.T) {
	messages, err := readMessages("{properties: {tree: {$ref: ../schemas/Tree.yaml, description: An oak.}, any: {}, version: {const: '1.0'}}}", "examples")
	if err != nil {
		t.Fatal(err)
	}
	got := messages[0].Properties
	want := []property{
		{Name: "tree", Type: "object", Description: "An oak."},
		{Name: "any", Type: "anything"},
		{Name: "version", Type: "1.0"},
	}
	if diff := cmp.Diff(want, []property{got[0], got[len(got)-2], got[len(got)-1]}); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestInvalidContractIsAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		payload, examples, err string
	}{
		"an unknown schema":  {"{properties: {a: {$ref: ../schemas/No.yaml}}}", "examples", "a refers to unknown schema ../schemas/No.yaml"},
		"a missing example":  {"{}", "elsewhere", "example of M"},
		"an invalid mapping": {"{properties: [a]}", "examples", "not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readMessages(tt.payload, tt.examples)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}
