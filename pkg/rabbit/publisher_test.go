package rabbit_test

import (
	"errors"
	"fmt"
	"testing"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// The broker says what became of a message while later ones are being sent.
func TestEachMessageOfALargeBatchHasItsOwnResult(t *testing.T) {
	r := transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}})
	got, _ := subscribe(t, r, "one", "Told")
	listen(t, r, "Told") // Each message is published twice.
	flows(t, r, got)
	batch := make([]event.Message, 3000)
	for i := range batch {
		if batch[i] = eventtest.Message("Told"); i%3 == 0 {
			batch[i].Type = "Untold"
		}
	}
	for i, err := range r.Publish(patient(t), batch) {
		switch {
		case batch[i].Type == "Told" && err != nil:
			t.Fatalf("message %d: %v", i, err)
		case batch[i].Type == "Untold" && !errors.Is(err, event.ErrUnroutable):
			t.Fatalf("message %d, which nobody is bound to: %v", i, err)
		}
	}
	for i, m := range batch {
		if m.Type == "Told" {
			if arrived := got.next(t); arrived.ID != m.ID {
				t.Fatalf("%s arrived in the place of message %d", arrived.ID, i)
			}
		}
	}
}

func TestWhatIsCutInTheMiddleOfALargeBatchIsNotTaken(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{censor(t, url, "number 1500", 1)}})
	got, _ := subscribe(t, transport(t, rabbit.Config{URLs: []string{url}}), "one", "Told")
	flows(t, r, got)
	batch := make([]event.Message, 3000)
	for i := range batch {
		batch[i] = eventtest.Message("Told")
		batch[i].Data = fmt.Appendf(nil, `"number %d"`, i)
	}
	want := map[string]bool{}
	for i, err := range r.Publish(patient(t), batch) {
		switch {
		case err == nil:
			want[batch[i].ID] = true
		case !errors.Is(err, event.ErrUnavailable):
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if want[batch[1500].ID] || len(want) < 1000 {
		t.Errorf("%d are taken, and of what was cut: %v", len(want), want[batch[1500].ID])
	}
	for len(want) > 0 {
		delete(want, got.next(t).ID)
	}
}
