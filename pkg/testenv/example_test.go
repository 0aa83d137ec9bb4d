package testenv_test

import (
	"testing"

	"parley.internal/pkg/testenv"
)

func Example() {
	_ = func(t *testing.T) { // TestClientSurvivesRestartOfBroker
		broker := testenv.StartRabbitMQ(t)
		// ... client := connect(broker.URL())
		broker.Kill()
		// ... use the client during the outage
		broker.Start()
		// ... check that no message was lost
	}
	// Output:
}
