package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// A service publishes an event, and another service consumes it.
func Example() {
	tb := &exampleTB{}
	defer tb.cleanup()
	cfg := rabbit.Config{URLs: testenv.RabbitMQ(tb), Queues: "lab-chat-service-PolicyCreated", Log: quiet}
	publisher, err := rabbit.NewPublisher(cfg)
	if err != nil {
		panic(err)
	}
	consumer, err := rabbit.NewConsumer(cfg)
	if err != nil {
		panic(err)
	}
	received := make(chan event.Message)
	consume := consumer.Subscribe(event.Subscription{
		Name: "lab-chat-service", Types: []string{"PolicyCreated"},
		// A batch is acknowledged when Receive returns nil. Usually inbox.Receive deduplicates and
		// stores it.
		Receive: func(_ context.Context, batch []event.Message) error {
			for _, m := range batch {
				received <- m
			}
			return nil
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return publisher.Run(ctx) })
	group.Go(func() error { return consume(ctx) })

	// Usually a relay publishes, and repeats messages with an error.
	results := publisher.Publish(ctx, []event.Message{{ID: "1", Type: "PolicyCreated", Data: []byte(`{"number":"P-1"}`)}})
	fmt.Println("published", errors.Join(results...))
	m := <-received
	fmt.Println("received", m.Type, string(m.Data))
	stop()
	fmt.Println("stopped", group.Wait())
	// Output:
	// published <nil>
	// received PolicyCreated {"number":"P-1"}
	// stopped <nil>
}

// exampleTB lets an example use testenv, which is made for tests.
type exampleTB struct {
	testing.TB

	cleanups []func()
}

func (*exampleTB) Helper()             {}
func (tb *exampleTB) Cleanup(f func()) { tb.cleanups = append(tb.cleanups, f) }

func (*exampleTB) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (tb *exampleTB) cleanup() {
	for _, f := range tb.cleanups {
		f()
	}
}
