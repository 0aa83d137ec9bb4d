package event_test

import (
	"context"
	"fmt"

	"parley.internal/pkg/event"
)

type policyCreated struct {
	AgentLogin  string `json:"agentLogin"`
	ProductCode string `json:"productCode"`
}

func (policyCreated) Type() string { return "PolicyCreated" }

func ExampleHandle() {
	var router event.Router[string]
	event.Handle(&router, func(_ context.Context, tx string, _ event.Message, e policyCreated) error {
		fmt.Println(e.AgentLogin, "sold", e.ProductCode, "in", tx)
		return nil
	})

	err := router.Dispatch(context.Background(), "tx 1", event.Message{
		Type: "PolicyCreated", Data: []byte(`{"agentLogin":"jimmy.solid","productCode":"TRI"}`),
	})
	fmt.Println(router.Types(), err)
	// Output:
	// jimmy.solid sold TRI in tx 1
	// [PolicyCreated] <nil>
}
