package systemtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/signalr/signalrtest"
	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

const sale = "jimmy.solid just sold policy for TRI!!!"

func TestSaleReachesAgentsAcrossProcesses(t *testing.T) {
	c := startCompany(t)
	ctx := deadline(t)
	hub := signalrtest.Start(t, signalrtest.Microsoft, c.front.URL()+"/agentsChat", c.danny.Token, signalrtest.Options{})
	if err := errors.Join(hub.On(ctx, "ReceiveNotification", "ReceiveMessage"), hub.Connect(ctx)); err != nil {
		t.Fatal(err)
	}
	for policy := range c.sell(ctx, 1) {
		c.terminate(ctx, policy)
		for _, text := range []string{sale, fmt.Sprintf("jimmy.solid terminated policy %s (TRI)", policy)} {
			call := fmt.Sprintf("ReceiveNotification(%q)", text)
			if _, err := hub.WaitFor(ctx, func(e signalrtest.Event) bool { return e.String() == call }); err != nil {
				t.Errorf("%s did not arrive: %v", call, err)
			}
		}
		id := eventID(t, c.policyDB, policy)
		if !logged(c.front.Log(), "request forwarded", id) {
			t.Errorf("parley's log lacks \"request forwarded\" of event %s", id)
		}
		for step, log := range map[string]string{
			"request": c.policyd.Log(), "event stored": c.policyd.Log(), "event published": c.policyd.Log(),
			"event consumed": c.chatd.Log(), "event handled": c.chatd.Log(), "entry stored": c.chatd.Log(),
			"entry pushed": c.chatd.Log(),
		} {
			if !logged(log, step, id) {
				t.Errorf("the logs lack %q of event %s", step, id)
			}
		}
	}
	for name, log := range map[string]string{"policyd": c.policyd.Log(), "chatd": c.chatd.Log(), "parley": c.front.Log()} {
		for _, private := range []string{"81020304056", c.jimmy.Token, c.danny.Token, "Kowalska"} {
			if strings.Contains(log, private) {
				t.Errorf("the log of %s contains %q", name, private)
			}
		}
	}
	if err := hub.Stop(ctx); err != nil {
		t.Error(err)
	}
	c.front.Stop()
	c.policyd.Stop()
	c.chatd.Stop()
}

// logged reports whether a line of the log has the message and the event id.
func logged(log, step, id string) bool {
	return slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
		return strings.Contains(line, `"msg":"`+step+`"`) && strings.Contains(line, id)
	})
}

func TestNoticesArriveAfterChatRestarts(t *testing.T) {
	c := startCompany(t)
	ctx := deadline(t)
	c.sell(ctx, 1)
	c.feed(ctx, c.danny, "Company", 1)
	c.chatd.Kill()
	c.sell(ctx, 200)
	c.chatd.Start()
	c.feed(ctx, c.danny, "Company", 201)
	c.waitIdle(ctx)
	if texts := c.feed(ctx, c.danny, "Company", 201); len(texts) != 201 {
		t.Errorf("got %d notices, want no duplicate", len(texts))
	}
}

func TestSalesSucceedWhileBrokerIsDown(t *testing.T) {
	c := startCompany(t)
	ctx := deadline(t)
	c.sell(ctx, 1)
	c.feed(ctx, c.danny, "Company", 1)
	c.broker.Sync()
	c.broker.Kill()
	for range 50 {
		offer, err := c.jimmy.Offer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.jimmy.Buy(ctx, offer, offer); err != nil {
			t.Fatal(err)
		}
	}
	ready, err := (&portaltest.Client{URL: c.policyd.URL()}).Do(ctx, "GET", "/readyz", nil)
	if err != nil || ready.Status != 200 || !strings.Contains(string(ready.Body), "broker") {
		t.Errorf("/readyz: got %d %s, error %v", ready.Status, ready.Body, err)
	}
	c.broker.Start()
	c.feed(ctx, c.danny, "Company", 51)
	c.waitIdle(ctx)
	if texts := c.feed(ctx, c.danny, "Company", 51); len(texts) != 51 {
		t.Errorf("got %d notices, want no duplicate", len(texts))
	}
}

func TestBrokerMayStartLast(t *testing.T) {
	c := newCompany(t, testenv.NewBroker(t))
	c.policyd.Start()
	c.front.Start()
	c.chatd.Start()
	c.signIn()
	ctx := deadline(t)
	c.broker.Start()
	// Events are routed only once chat has declared its queues.
	declared := c.queuesDeclared()
	for !declared() && ctx.Err() == nil {
		portaltest.Pause(ctx)
	}
	c.sell(ctx, 3)
	c.feed(ctx, c.danny, "Company", 3)
}

// queuesDeclared returns a function that reports whether chat has declared its
// queues.
func (c *company) queuesDeclared() func() bool {
	return func() bool {
		conn, err := amqp.Dial(c.broker.URL())
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		ch, err := conn.Channel()
		if err != nil {
			return false
		}
		for _, eventType := range []string{"PolicyCreated", "TariffChanged"} {
			if _, err := ch.QueueDeclarePassive("lab-chat-service-"+eventType, true, false, false, false, nil); err != nil {
				return false
			}
		}
		return true
	}
}

func TestKilledPolicydSellsEachPolicyOnce(t *testing.T) {
	const purchases, kills, buyers = 150, 4, 3
	c := startCompany(t)
	ctx := deadline(t)
	var done atomic.Int64
	var mu sync.Mutex
	sold := map[string]bool{}
	var wg sync.WaitGroup
	for range buyers {
		wg.Go(func() {
			for range purchases / buyers {
				for policy := range c.sell(ctx, 1) {
					mu.Lock()
					sold[policy] = true
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	for kill := range kills {
		for done.Load() < int64(purchases*(kill+1)/(kills+1)) && ctx.Err() == nil {
			portaltest.Pause(ctx)
		}
		pid := c.policyd.PID()
		c.policyd.Kill()
		c.policyd.Start()
		if c.policyd.PID() == pid {
			t.Fatal("policyd was not killed")
		}
	}
	wg.Wait()
	c.feed(ctx, c.danny, "Company", purchases)
	c.waitIdle(ctx)
	got := []int{
		len(sold), count(t, c.policyDB, "SELECT count(*) FROM policy"),
		count(t, c.policyDB, "SELECT count(*) FROM outbox_event WHERE type = 'PolicyCreated' AND state = 'sent'"),
		len(c.feed(ctx, c.danny, "Company", purchases)),
	}
	if diff := cmp.Diff([]int{purchases, purchases, purchases, purchases}, got); diff != "" {
		t.Errorf("purchases, policies, events, notices (-want +got):\n%s", diff)
	}
}

func eventID(t *testing.T, url, policy string) (id string) {
	t.Helper()
	return text(t, url, "SELECT id FROM outbox_event WHERE partition_key = $1 AND type = 'PolicyCreated'", policy)
}

func TestEventsOfOtherServicesBecomeNotices(t *testing.T) {
	c := startCompany(t)
	ctx := deadline(t)
	ch := c.channel()
	body := func(v map[string]any) amqp.Publishing {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return amqp.Publishing{Body: data}
	}
	clients := []*signalrtest.Client{}
	for _, who := range []*portaltest.Client{c.jimmy, c.jimmy, c.danny} {
		client := signalrtest.Start(t, signalrtest.Microsoft, c.front.URL()+"/agentsChat", who.Token, signalrtest.Options{})
		if err := errors.Join(client.On(ctx, "ReceiveNotification"), client.Connect(ctx)); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
	}
	for !c.queuesDeclared()() && ctx.Err() == nil {
		portaltest.Pause(ctx)
	}

	publish(t, ch, "ProductActivated", body(map[string]any{"productCode": "PET", "productName": "Happy Pet"}))
	publish(t, ch, "CommissionCalculated", amqp.Publishing{Body: []byte(`{broken`)})
	publish(t, ch, "CommissionCalculated", amqp.Publishing{MessageId: "incomplete", Body: []byte(`{"agentLogin":"jimmy.solid"}`)})
	for range 5 {
		twice := body(map[string]any{"agentLogin": "jimmy.solid", "policyNumber": "P-1", "amount": 12.5})
		twice.MessageId = "0190-commission"
		publish(t, ch, "CommissionCalculated", twice)
	}
	publish(t, ch, "paymentreceived", body(map[string]any{"AgentLogin": "jimmy.solid", "PolicyNumber": "P-1", "Amount": 98}))
	publish(t, ch, "tariffchanged", body(map[string]any{"ProductCode": "TRI"}))
	publish(t, ch, "PolicyTerminated", body(map[string]any{"agentLogin": "danny.solid", "policyNumber": "P-2", "productCode": "CAR"}))

	company := c.feed(ctx, c.danny, "Company", 3)
	own := c.feed(ctx, c.jimmy, "Own:", 2)
	slices.Sort(company)
	slices.Sort(own)
	if diff := cmp.Diff([]string{
		"New product: Happy Pet (PET)", "Tariff changed for TRI", "danny.solid terminated policy P-2 (CAR)",
	}, company); diff != "" {
		t.Errorf("company feed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Commission of 12.50 for policy P-1", "Payment of 98.00 received for policy P-1"}, own); diff != "" {
		t.Errorf("jimmy's feed (-want +got):\n%s", diff)
	}
	commission := `ReceiveNotification("Commission of 12.50 for policy P-1")`
	for i, client := range clients[:2] {
		if _, err := client.WaitFor(ctx, func(e signalrtest.Event) bool { return e.String() == commission }); err != nil {
			t.Errorf("client %d of jimmy: commission did not arrive: %v", i+1, err)
		}
	}
	for _, e := range clients[2].Events() {
		if strings.Contains(e.String(), "Commission") || strings.Contains(e.String(), "Payment") {
			t.Errorf("danny got %s, a notice of jimmy", e)
		}
	}
	if feed := c.feed(ctx, c.danny, "Own:", 0); len(feed) > 0 {
		t.Errorf("got notices of danny %v, want none", feed)
	}
	if n := count(t, c.chatDB, "SELECT count(*) FROM inbox_parked WHERE state = 'dead'"); n != 2 {
		t.Errorf("got %d dead letters, want 2", n)
	}
	if n := count(t, c.chatDB, "SELECT count(*) FROM inbox_parked WHERE data = $1", []byte(`{broken`)); n != 1 {
		t.Error("the dead letter lacks the original bytes")
	}
}

// TestOrderHoldsAcrossTwoConsumers sells and terminates policies without a consumer,
// and then lets two chatd share the backlog of both types.
func TestOrderHoldsAcrossTwoConsumers(t *testing.T) {
	const policies = 60
	c := startCompany(t)
	ctx := deadline(t)
	for policy := range c.sell(ctx, 1) { // Chat has declared its queues once this is through.
		c.terminate(ctx, policy)
	}
	c.feed(ctx, c.danny, "Company", 2)
	c.chatd.Kill()
	sold := c.sell(ctx, policies)
	for policy := range sold {
		c.terminate(ctx, policy)
	}
	second := portaltest.New(t, "chatd", secret, "RABBITMQ_URL="+c.broker.URL(), "CHAT_DATABASE_URL="+c.chatDB)
	var wg sync.WaitGroup
	wg.Go(func() { second.Start() })
	c.chatd.Start()
	wg.Wait()
	c.feed(ctx, c.danny, "Company", 2*policies+2)
	c.waitIdle(ctx)

	const events = "SELECT partition_key, id FROM outbox_event WHERE type = $1"
	created, ended := pairs(t, c.policyDB, events, "PolicyCreated"), pairs(t, c.policyDB, events, "PolicyTerminated")
	sequence := pairs(t, c.chatDB, "SELECT id, lpad(sequence::text, 9, '0') FROM entry WHERE stream = 'Company'")
	for policy := range sold {
		first, last := sequence[created[policy]], sequence[ended[policy]]
		if first == "" || last == "" || first > last {
			t.Errorf("policy %s: got sequence %q for the sale, %q for the termination", policy, first, last)
		}
	}
}

func text(t *testing.T, url, query string, args ...any) (s string) {
	t.Helper()
	db := dial(t, url)
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
