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
	var router event.Router
	event.Handle(&router, func(_ context.Context, e policyCreated) error {
		fmt.Println(e.AgentLogin, "sold", e.ProductCode)
		return nil
	})

	err := router.Dispatch(context.Background(), event.Message{
		Type: "PolicyCreated", Data: []byte(`{"agentLogin":"jimmy.solid","productCode":"TRI"}`),
	})
	fmt.Println(router.Types(), err)
	// Output:
	// jimmy.solid sold TRI
	// [PolicyCreated] <nil>
}
