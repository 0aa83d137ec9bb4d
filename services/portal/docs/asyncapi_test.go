package docs

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// contractOf is a document with one message, M, of a payload.
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

func TestASchemaThatContainsItselfEnds(t *testing.T) {
	for _, payload := range []string{"{$ref: ../schemas/Tree.yaml}", "{$ref: ../schemas/Loop.yaml}"} {
		p, err := read(contractOf(payload), "asyncapi/d.yaml", "examples")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Channels[0].Messages[0].Properties); n > 20 {
			t.Errorf("%s has %d lines", payload, n)
		}
	}
}

func TestWhatIsSaidBesideAReferenceCounts(t *testing.T) {
	p, err := read(contractOf("{properties: {tree: {$ref: ../schemas/Tree.yaml, description: An oak.}, any: {}, version: {const: '1.0'}}}"),
		"asyncapi/d.yaml", "examples")
	if err != nil {
		t.Fatal(err)
	}
	got := p.Channels[0].Messages[0].Properties
	want := []property{
		{Name: "tree", Type: "object", Description: "An oak."},
		{Name: "any", Type: "anything"},
		{Name: "version", Type: "1.0"},
	}
	if diff := cmp.Diff(want, []property{got[0], got[len(got)-2], got[len(got)-1]}); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestABrokenContractSaysWhere(t *testing.T) {
	for name, tt := range map[string]struct {
		payload, examples, says string
	}{
		"a reference to nothing": {"{properties: {a: {$ref: ../schemas/No.yaml}}}", "examples", "a refers to ../schemas/No.yaml"},
		"no example":             {"{}", "elsewhere", "example of M"},
		"no mapping":             {"{properties: [a]}", "examples", "no mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(contractOf(tt.payload), "asyncapi/d.yaml", tt.examples)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got error %v", err)
			}
		})
	}
}
