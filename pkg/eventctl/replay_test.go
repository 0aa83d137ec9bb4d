package eventctl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
)

func TestDeadLetterIsListedShownAndReplayed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		f := newFixture(t, url(t), testenv.RabbitMQ(t))
		f.start()
		f.write(greeted{Text: "tax id 8501"})
		f.results <- event.Permanent(errors.New("no such agent"))
		if out := f.waitFor("no such agent", "dead"); !strings.Contains(out, "Greeted") || strings.Contains(out, "8501") {
			t.Errorf("dead prints %s", out)
		}
		list := rows(t, f.output("dead", "--list", "--json"))
		if len(list) != 1 || list[0]["service"] != "chat" || list[0]["partitionKey"] != "P-1" {
			t.Fatalf("got list %v, want a dead letter of chat in partition P-1", list)
		}
		id, _ := list[0]["id"].(string)
		shown := f.output("show", id)
		for _, part := range []string{id, "no such agent", "tax id 8501", "policy", "chat", "dead", "sent"} {
			if !strings.Contains(shown, part) {
				t.Errorf("show does not print %q:\n%s", part, shown)
			}
		}
		if out := f.output("replay", "--id", id, "--dry-run"); !strings.Contains(out, "would replay") {
			t.Errorf("dry run prints %s", out)
		}
		if len(rows(t, f.output("dead", "--json"))) != 1 {
			t.Fatal("dry run replayed the dead letter")
		}
		f.output("replay", "--type", "Greeted", "--partition", "P-1", "--since", "1h")
		close(f.results)
		f.wantHandled(id)
		f.waitFor("[]", "dead", "--json")
		if _, err := f.command("replay", "--id", id); !errors.Is(err, eventctl.ErrProblem) {
			t.Errorf("got error %v for an event that is not dead, want ErrProblem", err)
		}
	})
}

func TestRejectedEventIsListedAndReplayed(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	f := newFixture(t, sqlite(t), broker.URL())
	close(f.results)
	f.start()
	f.write(greeted{Text: "small"})
	<-f.handled
	f.write(greeted{Text: strings.Repeat("large", 1<<16)})
	out := f.waitFor("larger than", "rejected")
	if !strings.Contains(out, "Greeted") || strings.Contains(out, "largelarge") {
		t.Errorf("rejected prints %s", out)
	}
	list := rows(t, f.output("rejected", "--json"))
	id, _ := list[0]["id"].(string)
	if shown := f.output("show", id); !strings.Contains(shown, "larger than") || strings.Contains(shown, "attempts") {
		t.Errorf("show prints %s", shown[:200])
	}
	if out := f.output("lag", "--json"); !strings.Contains(out, `"pending":0`) || !strings.Contains(out, `"rejected":1`) {
		t.Errorf("lag prints %s", out)
	}
	if out := f.output("lag"); !strings.Contains(out, "REJECTED") {
		t.Errorf("lag prints %s", out)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(outbox.NewCollector("policy", f.outbox, nil))
	if got := metric(t, registry, "parley_outbox_rejected_events"); got != 1 {
		t.Errorf("got parley_outbox_rejected_events %v, want 1", got)
	}
	broker.MaxMessage(1 << 27)
	if out := f.output("replay", "--from", "rejected", "--all", "--dry-run"); !strings.Contains(out, "would replay") || len(f.handled) > 0 {
		t.Errorf("dry run prints %s", out)
	}
	f.output("replay", "--from", "rejected", "--id", id)
	f.wantHandled(id)
	f.waitFor("[]", "rejected", "--json")
	if _, err := f.command("replay", "--from", "rejected", "--id", id); !errors.Is(err, eventctl.ErrProblem) {
		t.Errorf("got error %v for an event that is not rejected, want ErrProblem", err)
	}
}

// A consumer whose database was restored handles replayed events again; others
// ignore them as duplicates.
func TestPublishedEventsAreReplayed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		replayPublished(t, newFixture(t, url(t), testenv.RabbitMQ(t)))
	})
}

func replayPublished(t *testing.T, f *fixture) {
	t.Helper()
	first, second := f.publishTwo()
	if out := f.output("replay", "--from", "outbox", "--all", "--dry-run", "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("dry run prints %s", out)
	}
	if _, err := f.db.Exec(t.Context(), "DELETE FROM inbox_event"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Exec(t.Context(), "DELETE FROM inbox_partition"); err != nil {
		t.Fatal(err)
	}
	f.output("replay", "--from", "outbox", "--id", first, "--id", second)
	for _, want := range []string{first, second} {
		f.wantHandled(want)
	}
	f.output("replay", "--from", "outbox", "--type", "Greeted", "--since", "1h")
	f.waitFor(`"pending":0`, "lag", "--json")
	f.write(greeted{Text: "3"})
	if got := <-f.handled; got == first || got == second {
		t.Errorf("event %s was handled again", got)
	}
}

// Among replayed events, an operator would not notice a mistyped id.
func TestUnknownIDPreventsReplay(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		replayUnknownID(t, newFixture(t, url(t), testenv.RabbitMQ(t)))
	})
}

func replayUnknownID(t *testing.T, f *fixture) {
	t.Helper()
	first, second := f.publishTwo()
	for _, args := range [][]string{{}, {"--dry-run"}, {"--json"}} {
		out, err := f.command(append([]string{"replay", "--from", "outbox", "--id", first, "--id", "nothere", "--id", "nor this"}, args...)...)
		if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "nothere, nor this") || strings.Contains(err.Error(), first) || out != "" {
			t.Errorf("got %q and error %v with %q, want the unknown ids", out, err, args)
		}
	}
	// The event exists, but has another type.
	if _, err := f.command("replay", "--from", "outbox", "--id", first, "--type", "Unbound"); !errors.Is(err, eventctl.ErrProblem) || !strings.Contains(err.Error(), first) {
		t.Errorf("got error %v for an id of another type, want ErrProblem", err)
	}
	if out := f.output("lag", "--json"); !strings.Contains(out, `"published":2`) {
		t.Errorf("an event was replayed: %s", out)
	}
	if out := f.output("replay", "--from", "outbox", "--id", first, "--id", second, "--id", first, "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("replay prints %s, want 2 events", out)
	}
}

func TestReplayWithoutMatchingServiceFails(t *testing.T) {
	f := newFixture(t, sqlite(t), "")
	publisher, consumer := f.Services[0], f.Services[1]
	for from, service := range map[string]eventctl.Service{"outbox": consumer, "rejected": consumer, "dead": publisher} {
		f.Services = []eventctl.Service{service}
		for _, selection := range [][]string{{"--all"}, {"--id", "1"}} {
			_, err := f.command(append([]string{"replay", "--from", from}, selection...)...)
			if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "no service of this program can replay from "+from) {
				t.Errorf("got error %v for --from %s", err, from)
			}
		}
	}
}
