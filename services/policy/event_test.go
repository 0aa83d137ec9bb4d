package policy_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/api"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// TestEventsMatchContractExamples decodes each example of the contract into its
// type and encodes it again: the JSON must be the same.
func TestEventsMatchContractExamples(t *testing.T) {
	for _, e := range []event.Event{
		&policy.PolicyCreated{}, &policy.PolicyTerminated{}, &policy.ProductActivated{}, &policy.TariffChanged{},
	} {
		example, err := api.Files.ReadFile("examples/events/" + e.Type() + ".json")
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(example))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(e); err != nil {
			t.Fatalf("%s: %v", e.Type(), err)
		}
		encoded, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(example, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-example +got):\n%s", e.Type(), diff)
		}
	}
}
