package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
	"parley.internal/policy/server"
)

// within waits for something to become true, well before a cache is old.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.After(15 * time.Second); !is(); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal(what)
		}
	}
}

func (s *service) listens() bool { return len(s.degraded()) == 0 }

// reprice changes CAR's tariff, and waits until the event has left the outbox.
func (s *service) reprice(t *testing.T, premium string) {
	t.Helper()
	got := s.call(t, admin, http.MethodPut, "/api/products/CAR/tariff", tariffBody(premium))
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	within(t, "the event was not published", func() bool {
		var pending int
		_, err := database.One(t.Context(), s.db.Reader(),
			"SELECT count(*) FROM outbox_event WHERE state = 'pending'", nil, &pending)
		must(t, err)
		return pending == 0
	})
}

func TestATariffThatChangedOnOneNodePricesOnAnother(t *testing.T) {
	cfg := server.Config{DatabaseURL: testenv.Postgres(t), Broker: rabbit.Config{URLs: testenv.RabbitMQ(t)}}
	here, there := node(t, cfg), node(t, cfg)
	within(t, "the nodes do not listen", func() bool { return here.listens() && there.listens() })
	if got := there.price(t, jimmy); got != "100.00" {
		t.Fatalf("before: %s", got)
	}
	here.reprice(t, "120")
	within(t, "the other node keeps the old price", func() bool { return there.price(t, jimmy) == "120.00" })

	if got := there.call(t, jimmy, http.MethodGet, "/api/products/PET", ""); got.status != http.StatusNotFound {
		t.Fatalf("before: %d %s", got.status, got.body)
	}
	if got := here.call(t, admin, http.MethodPost, "/api/products/PET/activation", ""); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	within(t, "the other node does not sell what was activated", func() bool {
		return there.call(t, jimmy, http.MethodGet, "/api/products/PET", "").status == http.StatusOK
	})
	// Nobody keeps these events: no consumer has ever run. They must not be lost.
	within(t, "a listener made events count as taken", func() bool {
		return strings.Contains(strings.Join(here.degraded(), " "), "2 events are unroutable")
	})
}

func TestANodeThatWasCutOffForgetsWhatItMayHaveMissed(t *testing.T) {
	cfg := server.Config{DatabaseURL: testenv.Postgres(t), Broker: rabbit.Config{URLs: testenv.RabbitMQ(t)}}
	here := node(t, cfg)
	broker, err := url.Parse(cfg.Broker.URLs)
	must(t, err)
	proxy := testenv.StartProxy(t, broker.Host)
	cutOff := *broker
	cutOff.Host = proxy.Addr()
	cfg.Broker.URLs = cutOff.String()
	there := node(t, cfg)
	within(t, "the nodes do not listen", func() bool { return here.listens() && there.listens() })

	proxy.Retarget("127.0.0.1:1")
	proxy.Cut()
	within(t, "nobody noticed the cut", func() bool { return !there.listens() })
	there.price(t, jimmy) // Now it is kept.
	here.reprice(t, "120")
	if got := there.price(t, jimmy); got != "100.00" {
		t.Errorf("cut off, it prices %s: the test proves nothing", got)
	}
	proxy.Retarget(broker.Host)
	within(t, "back again, it keeps the old price", func() bool { return there.price(t, jimmy) == "120.00" })
}
