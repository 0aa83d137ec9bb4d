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

// within waits for a condition, for less than the TTL of the cache.
func within(t *testing.T, failure string, condition func() bool) {
	t.Helper()
	for deadline := time.After(15 * time.Second); !condition(); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal(failure)
		}
	}
}

func (s *service) listens() bool { return len(s.degraded()) == 0 }

// reprice changes the tariff of CAR and waits until the event is published.
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

func TestTariffChangeReachesOtherNodes(t *testing.T) {
	cfg := server.Config{DatabaseURL: testenv.Postgres(t), Broker: rabbit.Config{URLs: testenv.RabbitMQ(t)}}
	here, there := node(t, cfg), node(t, cfg)
	within(t, "a node does not listen", func() bool { return here.listens() && there.listens() })
	if got := there.price(t, jimmy); got != "100.00" {
		t.Fatalf("before the change: got price %s, want 100.00", got)
	}
	here.reprice(t, "120")
	within(t, "the other node still has the old price", func() bool { return there.price(t, jimmy) == "120.00" })

	if got := there.call(t, jimmy, http.MethodGet, "/api/products/PET", ""); got.status != http.StatusNotFound {
		t.Fatalf("before the activation: got %d %s, want status 404", got.status, got.body)
	}
	if got := here.call(t, admin, http.MethodPost, "/api/products/PET/activation", ""); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	within(t, "the other node does not show the activated product", func() bool {
		return there.call(t, jimmy, http.MethodGet, "/api/products/PET", "").status == http.StatusOK
	})
	// No queue is bound to these events. The nodes' listeners must not hide this.
	within(t, "events with a listener alone are not unroutable", func() bool {
		return strings.Contains(strings.Join(here.degraded(), " "), "2 events are unroutable")
	})
}

func TestReconnectedNodeDropsItsCache(t *testing.T) {
	cfg := server.Config{DatabaseURL: testenv.Postgres(t), Broker: rabbit.Config{URLs: testenv.RabbitMQ(t)}}
	here := node(t, cfg)
	broker, err := url.Parse(cfg.Broker.URLs)
	must(t, err)
	proxy := testenv.StartProxy(t, broker.Host)
	cutOff := *broker
	cutOff.Host = proxy.Addr()
	cfg.Broker.URLs = cutOff.String()
	there := node(t, cfg)
	within(t, "a node does not listen", func() bool { return here.listens() && there.listens() })

	proxy.Retarget("127.0.0.1:1")
	proxy.Cut()
	within(t, "the node did not notice the cut", func() bool { return !there.listens() })
	there.price(t, jimmy) // fills the cache
	here.reprice(t, "120")
	if got := there.price(t, jimmy); got != "100.00" {
		t.Errorf("cut off: got price %s, want 100.00 from the cache", got)
	}
	proxy.Retarget(broker.Host)
	within(t, "the reconnected node still has the old price", func() bool { return there.price(t, jimmy) == "120.00" })
}
