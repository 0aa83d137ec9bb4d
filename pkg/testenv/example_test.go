package testenv_test

import (
	"testing"

	"parley.internal/pkg/testenv"
)

func Example() {
	_ = func(t *testing.T) { // TestSomethingSurvivesTheBroker
		broker := testenv.StartRabbitMQ(t)
		// ... something := connect(broker.URL())
		broker.Kill()
		// ... something is used meanwhile
		broker.Start()
		// ... nothing was lost
	}
	// Output:
}
