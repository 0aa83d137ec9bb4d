package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/contract/contracttest"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	jimmy = auth.Agent{Login: "jimmy.solid", Name: "Jimmy Solid", Roles: []string{auth.Salesman}}
	danny = auth.Agent{Login: "danny.solid", Name: "Danny Solid", Roles: []string{auth.Salesman}}
	admin = auth.Agent{Login: "admin", Name: "Admin", Roles: []string{auth.Salesman, auth.Admin}}
	guest = auth.Agent{Login: "guest", Name: "Guest"}
)

// published is a publisher that accepts all events and passes them to the test.
type published chan event.Message

func (p published) Publish(ctx context.Context, batch []event.Message) []error {
	results := make([]error, len(batch))
	for i, message := range batch {
		select {
		case p <- message:
		case <-ctx.Done():
			results[i] = ctx.Err()
		}
	}
	return results
}

// next waits for an event of a type and skips others.
func (p published) next(t *testing.T, eventType string) event.Message {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case message := <-p:
			if message.Type == eventType {
				return message
			}
		case <-deadline:
			t.Fatalf("no %s event was published", eventType)
		}
	}
}

// service is a running policy service.
type service struct {
	url    string
	events published
	tokens *auth.Secret
	db     *database.DB // a second connection, to count rows

	degraded func() []string
}

func start(t *testing.T) *service {
	t.Helper()
	events := make(published, 1000) // more than the events of any test
	s := node(t, server.Config{DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "policy.db"), Events: events})
	s.events = events
	return s
}

// node runs a policy service until the test ends.
func node(t *testing.T, cfg server.Config) *service {
	t.Helper()
	cfg.Secret = []byte(strings.Repeat("k", auth.MinSecret))
	tokens, err := auth.NewSecret(cfg.Secret)
	must(t, err)
	policies, err := server.New(t.Context(), cfg)
	must(t, err)
	db, err := database.Open(t.Context(), cfg.DatabaseURL)
	must(t, err)

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- policies.Run(ctx) }()
	web := httptest.NewServer(policies.Handler())
	t.Cleanup(func() {
		web.Close()
		stop()
		must(t, <-stopped)
		must(t, db.Close())
	})
	return &service{url: web.URL, tokens: tokens, db: db, degraded: policies.Degraded}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a response and its body.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the body of an error.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
		Detail    string `json:"detail"`
	} `json:"errors"`
}

func (a answer) problem(t *testing.T) problem {
	t.Helper()
	if media := a.header.Get("Content-Type"); media != "application/problem+json" {
		t.Fatalf("got status %d, type %s, body %s, want a problem", a.status, media, a.body)
	}
	var p problem
	must(t, json.Unmarshal([]byte(a.body), &p))
	return p
}

// read checks the status and decodes the body.
func (a answer) read(t *testing.T, status int, v any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got status %d, want %d: %s", a.status, status, a.body)
	}
	must(t, json.Unmarshal([]byte(a.body), v))
}

// openContract returns the contract that every response is checked against.
func openContract(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contractOnce()
	must(t, err)
	return c
}

var contractOnce = sync.OnceValues(func() (*contract.Contract, error) { return contract.Open(api.Files, "openapi/policy.yaml") })

// call sends a request of an agent. headers are pairs of names and values; an empty
// value removes a header.
func (s *service) call(t *testing.T, agent auth.Agent, method, path, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	must(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	token, err := s.tokens.Issue(agent, time.Now(), time.Now().Add(time.Minute))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
			continue
		}
		request.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: contracttest.Transport(t, openContract(t), http.DefaultTransport)}
	response, err := client.Do(request)
	must(t, err)
	text, err := io.ReadAll(response.Body)
	must(t, errors.Join(err, response.Body.Close()))
	return answer{response.StatusCode, response.Header, string(text)}
}

var today = time.Now().UTC()

func day(n int) string { return today.AddDate(0, 0, n).Format(time.DateOnly) }

// offerBody requests an offer for a family in Europe, for five days from today.
func offerBody() string {
	return `{"productCode": "TRI", "policyFrom": "` + day(0) + `", "policyTo": "` + day(5) + `",
		"selectedCovers": ["C1", "C2", "C3"], "agentLogin": "somebody.else",
		"answers": [
			{"questionCode": "DESTINATION", "questionType": "Choice", "answer": "EUR"},
			{"questionCode": "NUM_OF_ADULTS", "questionType": "Numeric", "answer": 1},
			{"questionCode": "NUM_OF_CHILDREN", "questionType": "Numeric", "answer": 1}
		]}`
}

const taxID = "78042312345"

func buyBody(offer string) string {
	return `{"offerNumber": "` + offer + `",
		"policyHolder": {"firstName": "Anna", "lastName": "Nowak", "taxId": "` + taxID + `"},
		"policyHolderAddress": {"country": "PL", "zipCode": "00-001", "city": "Warszawa", "street": "Chłodna 52"}}`
}

func (s *service) offer(t *testing.T, agent auth.Agent) string {
	t.Helper()
	var offer struct{ OfferNumber string }
	s.call(t, agent, http.MethodPost, "/api/offers", offerBody()).read(t, http.StatusCreated, &offer)
	return offer.OfferNumber
}

func (s *service) sell(t *testing.T, agent auth.Agent) string {
	t.Helper()
	var policy struct{ PolicyNumber string }
	s.call(t, agent, http.MethodPost, "/api/policies", buyBody(s.offer(t, agent))).read(t, http.StatusCreated, &policy)
	return policy.PolicyNumber
}

// rows counts the rows in the service's database, by table.
func (s *service) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, table := range []string{
		"product", "tariff", "offer", "offer_cover", "policy", "policy_version", "policy_cover", "idempotency_key",
		"outbox_event", saleEvents,
	} {
		var n int
		_, err := database.One(t.Context(), s.db.Reader(), "SELECT count(*) FROM "+table, nil, &n)
		must(t, err)
		counts[table] = n
	}
	return counts
}

// saleEvents are the outbox rows of an event that each sale publishes once.
const saleEvents = "outbox_event WHERE type = 'PolicyCreated'"
