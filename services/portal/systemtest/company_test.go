// Package systemtest runs policyd, chatd and parley as separate programs over
// RabbitMQ and PostgreSQL, and injects faults.
package systemtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

const (
	patience = 90 * time.Second
	exchange = "lab-dotnet-micro"
	secret   = "AUTH_SECRET=0123456789abcdef0123456789abcdef"
)

func TestMain(m *testing.M) { os.Exit(portaltest.Main(m)) }

// company is a set of running programs with their broker and databases.
type company struct {
	t                     *testing.T
	broker                *testenv.Broker
	policyd, chatd, front *portaltest.Process
	policyDB, chatDB      string
	jimmy, danny          *portaltest.Client
}

// newCompany configures a company with a broker and starts nothing.
func newCompany(t *testing.T, broker *testenv.Broker, env ...string) *company {
	t.Helper()
	c := &company{t: t, broker: broker, policyDB: testenv.Postgres(t), chatDB: testenv.Postgres(t)}
	env = append(env, secret, "RABBITMQ_URL="+broker.URL())
	c.policyd = portaltest.New(t, "policyd", append(env, "POLICY_DATABASE_URL="+c.policyDB)...)
	c.chatd = portaltest.New(t, "chatd", append(env, "CHAT_DATABASE_URL="+c.chatDB)...)
	c.front = portaltest.New(t, "parley", secret, "PARLEY_DATA="+t.TempDir(),
		"POLICY_URL="+c.policyd.URL(), "CHAT_URL="+c.chatd.URL())
	return c
}

// startCompany starts all programs, in arbitrary order.
func startCompany(t *testing.T) *company {
	t.Helper()
	c := newCompany(t, testenv.StartRabbitMQ(t))
	c.front.Start()
	c.chatd.Start()
	c.policyd.Start()
	c.signIn()
	return c
}

func (c *company) signIn() {
	c.t.Helper()
	c.jimmy = portaltest.SignedIn(c.t, c.front.URL(), "jimmy.solid", "secret")
	c.danny = portaltest.SignedIn(c.t, c.front.URL(), "danny.solid", "secret")
}

// sell has jimmy sell n policies, with retries and one idempotency key each. It
// returns the policy numbers.
func (c *company) sell(ctx context.Context, n int) map[string]bool {
	c.t.Helper()
	sold := map[string]bool{}
	for i := range n {
		key := fmt.Sprintf("%s-%d-%d", c.t.Name(), time.Now().UnixNano(), i)
		offer := portaltest.Retry(ctx, func() (string, error) { return c.jimmy.Offer(ctx) })
		sold[portaltest.Retry(ctx, func() (string, error) { return c.jimmy.Buy(ctx, offer, key) })] = true
	}
	if ctx.Err() != nil || len(sold) != n {
		c.t.Fatalf("sold %d of %d policies in time", len(sold), n)
	}
	return sold
}

// terminate has jimmy terminate a policy today.
func (c *company) terminate(ctx context.Context, policy string) {
	c.t.Helper()
	a, err := c.jimmy.Do(ctx, "POST", "/api/policies/"+policy+"/termination",
		map[string]string{"terminationDate": time.Now().UTC().Format(time.DateOnly)})
	if err != nil || a.Status != 200 {
		c.t.Fatalf("termination: got %d %s, error %v", a.Status, a.Body, err)
	}
}

// deadline returns a context that ends after patience.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// feed waits until an agent's streams with a prefix hold n notices and returns the
// texts. It fails if their sequence is not 1 to n.
func (c *company) feed(ctx context.Context, agent *portaltest.Client, prefix string, n int) []string {
	c.t.Helper()
	var texts []string
	for {
		entries, _, err := agent.Since(ctx, "2020-01-01T00:00:00Z")
		texts = nil
		for _, e := range entries {
			if !strings.HasPrefix(e.Stream, prefix) {
				continue
			}
			if texts = append(texts, e.Body); e.Sequence != int64(len(texts)) {
				c.t.Fatalf("notice %d of %s: got sequence %d", len(texts), e.Stream, e.Sequence)
			}
		}
		if len(texts) >= n && err == nil {
			return texts
		}
		if ctx.Err() != nil {
			c.t.Fatalf("got %d of %d notices in time, error %v", len(texts), n, err)
		}
		portaltest.Pause(ctx)
	}
}

// waitIdle waits until no event is pending, so that duplicates would be visible.
func (c *company) waitIdle(ctx context.Context) {
	c.t.Helper()
	for _, where := range []struct{ url, query string }{
		{c.policyDB, "SELECT count(*) FROM outbox_event WHERE state <> 'sent'"},
		{c.chatDB, "SELECT count(*) FROM inbox_parked WHERE state <> 'dead'"},
	} {
		for count(c.t, where.url, where.query) > 0 {
			if ctx.Err() != nil {
				c.t.Fatalf("%s did not become 0 in time", where.query)
			}
			portaltest.Pause(ctx)
		}
	}
}

func dial(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func count(t *testing.T, url, query string, args ...any) (n int) {
	t.Helper()
	db := dial(t, url)
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// pairs reads two columns as a map.
func pairs(t *testing.T, url, query string, args ...any) map[string]string {
	t.Helper()
	db := dial(t, url)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			t.Fatal(err)
		}
		all[key] = value
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// channel opens an AMQP channel, as another service would.
func (c *company) channel() *amqp.Channel {
	c.t.Helper()
	return testenv.Channel(c.t, c.broker.URL())
}

// publish publishes a message, as another service would.
func publish(t *testing.T, ch *amqp.Channel, key string, p amqp.Publishing) {
	t.Helper()
	p.DeliveryMode = amqp.Persistent
	if err := ch.PublishWithContext(t.Context(), exchange, key, false, false, p); err != nil {
		t.Fatal(err)
	}
}
