package rabbit_test

import (
	"testing"

	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestConformance(t *testing.T) {
	for _, queueType := range []string{rabbit.Classic, rabbit.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			eventtest.Run(t, func(t *testing.T) eventtest.Transport {
				return start(t, rabbit.Config{URLs: testenv.RabbitMQ(t), QueueType: queueType})
			})
		})
	}
}
