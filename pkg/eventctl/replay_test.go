package eventctl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/testenv"
)

func TestADeadLetterIsFoundReadAndReplayed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		h := newHouse(t, url(t), testenv.RabbitMQ(t))
		h.run()
		h.tell(told{Text: "tax id 8501"})
		h.broken <- event.Permanent(errors.New("no such agent"))
		if out := h.until("no such agent", "dead"); !strings.Contains(out, "Told") || strings.Contains(out, "8501") {
			t.Errorf("dead says %s", out)
		}
		list := rows(t, h.gets("dead", "--list", "--json"))
		if len(list) != 1 || list[0]["service"] != "chat" || list[0]["partitionKey"] != "P-1" {
			t.Fatalf("the list is %v", list)
		}
		id, _ := list[0]["id"].(string)
		shown := h.gets("show", id)
		for _, part := range []string{id, "no such agent", "tax id 8501", "policy", "chat", "dead", "sent"} {
			if !strings.Contains(shown, part) {
				t.Errorf("show does not say %q:\n%s", part, shown)
			}
		}
		if out := h.gets("replay", "--id", id, "--dry-run"); !strings.Contains(out, "would replay") {
			t.Errorf("a dry run says %s", out)
		}
		if len(rows(t, h.gets("dead", "--json"))) != 1 {
			t.Fatal("a dry run has changed something")
		}
		h.gets("replay", "--type", "Told", "--partition", "P-1", "--since", "1h")
		close(h.broken)
		h.wantHandled(id)
		h.until("[]", "dead", "--json")
		if _, err := h.types("replay", "--id", id); !errors.Is(err, eventctl.ErrFound) {
			t.Errorf("replaying what is not dead answers %v", err)
		}
	})
}

func TestWhatTheBrokerDoesNotTakeIsSeenAndReplayed(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	h := newHouse(t, sqlite(t), broker.URL())
	close(h.broken)
	h.run()
	h.tell(told{Text: "small"})
	<-h.handled
	h.tell(told{Text: strings.Repeat("large", 1<<16)})
	out := h.until("larger than", "refused")
	if !strings.Contains(out, "Told") || strings.Contains(out, "largelarge") {
		t.Errorf("refused says %s", out)
	}
	list := rows(t, h.gets("refused", "--json"))
	id, _ := list[0]["id"].(string)
	if shown := h.gets("show", id); !strings.Contains(shown, "larger than") || strings.Contains(shown, "attempts") {
		t.Errorf("show says %s", shown[:200])
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"pending":0`) || !strings.Contains(out, `"refused":1`) {
		t.Errorf("lag says %s", out)
	}
	if out := h.gets("lag"); !strings.Contains(out, "REFUSED") {
		t.Errorf("lag says %s", out)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(eventctl.Metrics{Service: "policy", Outbox: h.outbox})
	if got := metric(t, registry, "parley_outbox_refused"); got != 1 {
		t.Errorf("the metric is %v", got)
	}
	broker.MaxMessage(1 << 27)
	if out := h.gets("replay", "--from", "refused", "--all", "--dry-run"); !strings.Contains(out, "would replay") || len(h.handled) > 0 {
		t.Errorf("a dry run says %s", out)
	}
	h.gets("replay", "--from", "refused", "--id", id)
	h.wantHandled(id)
	h.until("[]", "refused", "--json")
	if _, err := h.types("replay", "--from", "refused", "--id", id); !errors.Is(err, eventctl.ErrFound) {
		t.Errorf("replaying what is not refused answers %v", err)
	}
}

// A consumer whose database was set back hears again what it has forgotten; one
// that has not ignores it.
func TestPublishedEventsAreReplayed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		publishedEventsAreReplayed(t, newHouse(t, url(t), testenv.RabbitMQ(t)))
	})
}

func publishedEventsAreReplayed(t *testing.T, h *house) {
	t.Helper()
	first, second := h.tellTwo()
	if out := h.gets("replay", "--from", "outbox", "--all", "--dry-run", "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("a dry run says %s", out)
	}
	if _, err := h.db.Exec(t.Context(), "DELETE FROM inbox_event"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.Exec(t.Context(), "DELETE FROM inbox_partition"); err != nil {
		t.Fatal(err)
	}
	h.gets("replay", "--from", "outbox", "--id", first, "--id", second)
	for _, want := range []string{first, second} {
		h.wantHandled(want)
	}
	h.gets("replay", "--from", "outbox", "--type", "Told", "--since", "1h")
	h.until(`"pending":0`, "lag", "--json")
	h.tell(told{Text: "3"})
	if got := <-h.handled; got == first || got == second {
		t.Errorf("%s was handled once more", got)
	}
}

// One id that was mistyped is not noticed among others that were replayed.
func TestNothingIsReplayedIfAnIDIsNotThere(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		nothingIsReplayed(t, newHouse(t, url(t), testenv.RabbitMQ(t)))
	})
}

func nothingIsReplayed(t *testing.T, h *house) {
	t.Helper()
	first, second := h.tellTwo()
	for _, args := range [][]string{{}, {"--dry-run"}, {"--json"}} {
		out, err := h.types(append([]string{"replay", "--from", "outbox", "--id", first, "--id", "nothere", "--id", "nor this"}, args...)...)
		if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "nothere, nor this") || strings.Contains(err.Error(), first) || out != "" {
			t.Errorf("%q answers %v, and says %s", args, err, out)
		}
	}
	// It is there, but none of those that are chosen.
	if _, err := h.types("replay", "--from", "outbox", "--id", first, "--type", "Unwanted"); !errors.Is(err, eventctl.ErrFound) || !strings.Contains(err.Error(), first) {
		t.Errorf("an id of another type answers %v", err)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"retained":2`) {
		t.Errorf("something was replayed: %s", out)
	}
	if out := h.gets("replay", "--from", "outbox", "--id", first, "--id", second, "--id", first, "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("both are replayed: %s", out)
	}
}

func TestAReplayThatNoServiceHasIsAFailure(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	told, hears := h.Services[0], h.Services[1]
	for from, service := range map[string]eventctl.Service{"outbox": hears, "refused": hears, "dead": told} {
		h.Services = []eventctl.Service{service}
		for _, chosen := range [][]string{{"--all"}, {"--id", "1"}} {
			_, err := h.types(append([]string{"replay", "--from", from}, chosen...)...)
			if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "no service here has what to replay from "+from) {
				t.Errorf("from %s answers %v", from, err)
			}
		}
	}
}
