package rabbit_test

import (
	"errors"
	"fmt"
	"testing"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// The broker settles messages while later ones are sent.
func TestLargeBatchHasResultForEachMessage(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t)})
	in, _ := subscribe(t, tr, "one", "Created")
	listen(t, tr, "Created") // Each message is sent twice.
	roundTrip(t, tr, in)
	batch := messages("Created", 3000)
	for i := range batch {
		if i%3 == 0 {
			batch[i].Type = "Unbound"
		}
	}
	for i, err := range tr.Publish(withPatience(t), batch) {
		switch {
		case batch[i].Type == "Created" && err != nil:
			t.Fatalf("message %d: %v", i, err)
		case batch[i].Type == "Unbound" && !errors.Is(err, event.ErrUnroutable):
			t.Fatalf("unbound message %d: got %v, want %v", i, err, event.ErrUnroutable)
		}
	}
	for i, m := range batch {
		if m.Type != "Created" {
			continue
		}
		if got := in.next(t); got.ID != m.ID {
			t.Fatalf("message %d: got %s, want %s", i, got.ID, m.ID)
		}
	}
}

func TestMessagesLostInLargeBatchAreReported(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: cutAt(t, url, "number 1500", 1)})
	in, _ := subscribe(t, start(t, rabbit.Config{URLs: url}), "one", "Created")
	roundTrip(t, tr, in)
	batch := messages("Created", 3000)
	for i := range batch {
		batch[i].Data = fmt.Appendf(nil, `"number %d"`, i)
	}
	confirmed := map[string]bool{}
	for i, err := range tr.Publish(withPatience(t), batch) {
		switch {
		case err == nil:
			confirmed[batch[i].ID] = true
		case !errors.Is(err, event.ErrUnavailable):
			t.Fatalf("message %d: got %v, want %v", i, err, event.ErrUnavailable)
		}
	}
	if confirmed[batch[1500].ID] || len(confirmed) < 1000 {
		t.Errorf("got %d confirms, and a confirm of the lost message: %v", len(confirmed), confirmed[batch[1500].ID])
	}
	for len(confirmed) > 0 {
		delete(confirmed, in.next(t).ID)
	}
}
