package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley.internal/payments/server"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the service at an address; stop waits for its clean end.
func start(t *testing.T, cfg server.Config) (url string, stop func()) {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Serve(ctx, listener, s) }()
	return "http://" + listener.Addr().String(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}
}

func message(id, eventType, body string, sequence int64) event.Message {
	return event.Message{
		ID: id, Type: eventType, Source: "policy", Time: time.Now(), PartitionKey: "P-1", Sequence: sequence, Data: []byte(body),
	}
}

func TestDuplicatesAndDisorderBookOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, newURL func(*testing.T) string) {
		url := newURL(t)
		var transport event.Direct
		_, stop := start(t, server.Config{DatabaseURL: url, Events: &transport})
		sold := message("e1", "PolicyCreated", `{"policyNumber":"P-1","totalPremium":120.50}`, 1)
		ended := message("e2", "PolicyTerminated", `{"policyNumber":"P-1","amountToReturn":20.05}`, 2)
		for _, m := range []event.Message{ended, sold, ended, sold} {
			if err := errors.Join(transport.Publish(t.Context(), []event.Message{m})...); err != nil {
				t.Fatal(err)
			}
		}
		stop()

		db, err := database.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		err = db.InTx(t.Context(), func(tx *database.Tx) error {
			ctx := t.Context()
			var state, first string
			var balance, movements int64
			err := errors.Join(
				tx.QueryRowContext(ctx, "SELECT state, balance FROM account WHERE policy_number = 'P-1'").Scan(&state, &balance),
				tx.QueryRowContext(ctx, "SELECT count(*) FROM movement").Scan(&movements),
				tx.QueryRowContext(ctx, "SELECT kind FROM movement WHERE position = 0").Scan(&first),
			)
			if state != "closed" || balance != 10045 || movements != 2 || first != "opened" {
				t.Errorf("got account %s with balance %d after %d movements, the first %s; want closed, 10045, 2, opened",
					state, balance, movements, first)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestServiceWithoutBrokerIsReadyAndDegraded(t *testing.T) {
	url, stop := start(t, server.Config{DatabaseURL: "sqlite:" + t.TempDir() + "/payments.db"})
	defer stop()
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{
		"/healthz": `"alive"`, "/readyz": "RABBITMQ_URL", "/metrics": `parley_inbox_parked_events{service="payments",state="waiting"} 0`,
	} {
		response, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		err = errors.Join(response.Write(&body), response.Body.Close())
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(body.String(), want) {
			t.Errorf("%s answers %d without %s, error %v", path, response.StatusCode, want, err)
		}
	}
}
