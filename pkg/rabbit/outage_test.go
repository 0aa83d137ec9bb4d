package rabbit_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// The broker is killed and restarted while messages are published and consumed.
func TestBrokerCrashesLoseNothing(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)

	missing := map[string]bool{}
	for round := range 3 {
		batch := messages("Created", 300)
		for _, m := range batch {
			missing[m.ID] = true
		}
		broker.Sync()
		var publishing sync.WaitGroup
		publishing.Go(func() { publish(t, tr, batch...) })
		pid := broker.PID()
		broker.Kill()
		for ctx := withPatience(t); len(tr.Degraded()) < 2; shortPause(ctx) {
			if ctx.Err() != nil {
				t.Fatalf("round %d: got problems %v, want two lost connections", round, tr.Degraded())
			}
		}
		broker.Start()
		if broker.PID() == pid {
			t.Fatal("the broker was not killed")
		}
		publishing.Wait()
	}
	for len(missing) > 0 {
		delete(missing, in.next(t).ID)
	}
	tr.awaitHealthy(t)
}

func TestBrokerMayStartLast(t *testing.T) {
	broker := testenv.NewBroker(t)
	tr := start(t, rabbit.Config{URLs: "amqp://127.0.0.1:1," + broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	if err := tr.Publish(t.Context(), messages("Created", 1))[0]; !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, event.ErrUnavailable)
	}
	if len(tr.Degraded()) != 2 {
		t.Errorf("got problems %v, want two missing connections", tr.Degraded())
	}
	broker.Start()
	roundTrip(t, tr, in)
}

// A long backoff must not prolong an outage that is over.
func TestEventsFlowAsSoonAsBrokerRestarts(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)
	broker.Sync()
	broker.Kill()
	elapse(t, 8*time.Second) // The backoff grows to five seconds.
	broker.Start()
	if took := roundTrip(t, tr, in); took > time.Second {
		t.Errorf("the first event after the restart took %v, want at most 1s", took)
	}
}

func TestEventsFlowAsSoonAsFrozenBrokerResumes(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.Freeze()
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	elapse(t, 11*time.Second) // longer than the setup timeout of a connection
	broker.Thaw()
	if took := roundTrip(t, tr, in); took > time.Second {
		t.Errorf("the first event after the freeze took %v, want at most 1s", took)
	}
}

func TestEventsFlowSoonAfterClusterLeaderCrash(t *testing.T) {
	brokers := testenv.StartCluster(t, 3)
	var urls []string
	for _, b := range brokers {
		urls = append(urls, b.URL())
	}
	tr := start(t, rabbit.Config{URLs: strings.Join(urls, ","), QueueType: rabbit.Quorum})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)
	elapse(t, 1500*time.Millisecond) // See testenv.StartCluster.
	// The queue was declared through the first node, so the first node is its leader.
	pid := brokers[0].PID()
	brokers[0].Kill()
	if took := roundTrip(t, tr, in); took > 2*time.Second {
		t.Errorf("the first event after the crash took %v, want at most 2s", took)
	}
	brokers[0].Start()
	if brokers[0].PID() == pid {
		t.Error("the leader was not killed")
	}
}

func TestFrozenBrokerDoesNotDelayStop(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	tr := newTransport(t, rabbit.Config{URLs: broker.URL()})
	stopPublisher := run(t, tr.publisher.Run)
	in, stopConsumer := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)
	broker.Freeze()
	defer broker.Thaw()
	// Another subscription starts now: its handshake hangs.
	_, stopStarting := subscribe(t, tr, "two", "Created")
	var results []error
	var publishing sync.WaitGroup
	publishing.Go(func() { results = tr.Publish(t.Context(), messages("Created", 1)) })
	elapse(t, 300*time.Millisecond) // Everything hangs.
	fast := func(name string, do func()) {
		begun := time.Now()
		if do(); time.Since(begun) > 2*time.Second {
			t.Errorf("%s took %v, want at most 2s", name, time.Since(begun))
		}
	}
	fast("the stop of the consumer", stopConsumer)
	fast("the stop of the starting consumer", stopStarting)
	fast("the stop of the publisher", stopPublisher)
	fast("the pending call of Publish", publishing.Wait)
	if results[0] == nil {
		t.Error("got a confirm of a frozen broker")
	}
	fast("Publish after the stop", func() {
		if err := tr.Publish(t.Context(), []event.Message{eventtest.Message("Created")})[0]; err == nil {
			t.Error("got no error after the stop")
		}
	})
}

func TestUnresponsiveBrokerIsReported(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // The system accepts connections.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	_, err = rabbit.Inspect(withPatience(t), rabbit.Config{URLs: "amqp://" + silent.Addr().String(), Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "did not respond within 10s") ||
		!strings.Contains(err.Error(), silent.Addr().String()) || strings.Contains(err.Error(), "closed") {
		t.Errorf("got error %v, want the address and the timeout", err)
	}
}
