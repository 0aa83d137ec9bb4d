package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestWhatCannotBeStoredStaysInHand(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	calls := make(chan int, 100)
	away := 3
	stop := begin(t, r.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(_ context.Context, batch []event.Message) error {
			calls <- len(batch)
			if away--; away >= 0 {
				return errors.New("the database is away")
			}
			return nil
		},
	}))
	publish(t, r, eventtest.Message("Told"))
	for range 4 {
		select {
		case <-calls:
		case <-time.After(patience):
			t.Fatal("it was not tried again")
		}
	}
	stop()
	// It was acknowledged: nobody gets it again.
	got, _ := subscribe(t, r, "one", "Told")
	last := eventtest.Message("Told")
	publish(t, r, last)
	if m := got.next(t); m.ID != last.ID {
		t.Errorf("%s came again", m.ID)
	}
}

// TestABrokerThatDies has messages published and received while the broker is
// killed and restarted: each arrives.
func TestABrokerThatDies(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	publish(t, r, eventtest.Message("Told"))
	got.next(t)

	want := map[string]bool{}
	for round := range 3 {
		batch := make([]event.Message, 300)
		for i := range batch {
			batch[i] = eventtest.Message("Told")
			want[batch[i].ID] = true
		}
		broker.Sync()
		var wg sync.WaitGroup
		wg.Go(func() { publish(t, r, batch...) })
		pid := broker.PID()
		broker.Kill()
		for ctx := patient(t); len(r.Degraded()) < 2; {
			if ctx.Err() != nil {
				t.Fatalf("round %d: nobody noticed: %v", round, r.Degraded())
			}
			wait(ctx)
		}
		broker.Start()
		if broker.PID() == pid {
			t.Fatal("the broker was not killed")
		}
		wg.Wait()
	}
	for len(want) > 0 {
		delete(want, got.next(t).ID)
	}
	for ctx := patient(t); len(r.Degraded()) > 0; wait(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("at the end there is still %v", r.Degraded())
		}
	}
}

func wait(ctx context.Context) {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
	}
}

func TestABrokerThatIsStartedLast(t *testing.T) {
	broker := testenv.NewBroker(t)
	r := transport(t, rabbit.Config{URLs: []string{"amqp://127.0.0.1:1", broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	if err := r.Publish(t.Context(), []event.Message{eventtest.Message("Told")})[0]; !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("publishing answers %v", err)
	}
	if len(r.Degraded()) != 2 {
		t.Errorf("degraded is %v", r.Degraded())
	}
	broker.Start()
	publish(t, r, eventtest.Message("Told"))
	got.next(t)
}

func TestABrokerThatTakesNoMessages(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	publish(t, r, eventtest.Message("Told"))
	got.next(t)

	broker.MemoryAlarm(true)
	m := eventtest.Message("Told")
	// The broker says so when somebody publishes.
	if err := r.Publish(patient(t), []event.Message{m})[0]; err == nil {
		t.Error("it was taken in a memory alarm")
	}
	if err := r.Publish(patient(t), []event.Message{m})[0]; !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("then publishing answers %v", err)
	}
	if problems := fmt.Sprint(r.Degraded()); !strings.Contains(problems, "takes no messages") {
		t.Errorf("degraded is %s", problems)
	}
	broker.MemoryAlarm(false)
	publish(t, r, m)
	if arrived := got.next(t); arrived.ID != m.ID {
		t.Errorf("%s arrived", arrived.ID)
	}
}

func TestAQueueThatSomebodyDeletesIsDeclaredAnew(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	got, _ := subscribe(t, r, "one", "Told", "Asked")
	publish(t, r, eventtest.Message("Told"))
	got.next(t)
	ch := testenv.Channel(t, url)
	if _, err := ch.QueueDelete(rabbit.Queue("one", "Told"), false, false, false); err != nil {
		t.Fatal(err)
	}
	m := eventtest.Message("Told")
	publish(t, r, m)
	if arrived := got.next(t); arrived.ID != m.ID {
		t.Errorf("%s arrived", arrived.ID)
	}
	if err := ch.ExchangeDelete("lab-dotnet-micro", false, false); err != nil {
		t.Fatal(err)
	}
}

// A receiver in trouble is not the broker's: the one is told until a batch is
// taken, also while that is tried, and the other is up all the time.
func TestWhatCannotBeStoredIsToldUntilItIs(t *testing.T) {
	r := transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}})
	results := make(chan error)
	begin(t, r.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(context.Context, []event.Message) error { return <-results },
	}))
	isUp := func() bool {
		for _, c := range r.Connections() {
			if c.Name == "one" {
				return c.Up
			}
		}
		return false
	}
	publish(t, r, eventtest.Message("Told"))
	results <- errors.New("the database is away")
	isTold := func() bool { return strings.Contains(strings.Join(r.Degraded(), ";"), "database is away") }
	eventually(t, isTold, func() any { return r.Degraded() })
	for range 3 {
		if !isUp() {
			t.Error("in the pause the broker counts as down")
		}
		results <- errors.New("the database is away") // An attempt was under way.
		if !isTold() {
			t.Errorf("in an attempt degraded is %v", r.Degraded())
		}
	}
	results <- nil
	eventually(t, func() bool { return len(r.Degraded()) == 0 }, func() any { return r.Degraded() })
	if !isUp() {
		t.Error("in the end the broker counts as down")
	}
}
