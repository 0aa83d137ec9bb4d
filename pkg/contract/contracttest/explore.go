package contracttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/contract"
)

// Service is what Explore asks.
type Service struct {
	URL    string       // "http://127.0.0.1:8081"
	Client *http.Client // it should follow no redirects, and have a deadline
	Token  string       // of someone who may do everything; empty sends none
	// Known are good values of parameters and properties, by name, so that
	// something is found: {"code": {"TRI"}}. They are taken two times of three.
	Known    map[string][]any
	Requests int    // good ones to each operation, and as many bad ones; 0 = 30
	Seed     uint64 // 0 = another one each time; a failure tells it
}

// Seen is how often an operation answered with a status, by operation id.
type Seen map[string]map[int]int

// Explore makes requests up and fails the test unless
//
//   - what fits the contract is not refused as if it did not, the answer fits,
//     and is no 5xx;
//   - what was changed so that it does not fit is refused with 400
//     request-invalid, whose errors point to what was changed;
//   - what cannot be read at all, or is for a method that is not there, is
//     refused with another 4xx problem.
//
// It returns what it saw, for the test to ask for more.
func Explore(t testing.TB, c *contract.Contract, s Service) Seen {
	t.Helper()
	if s.Seed == 0 {
		s.Seed = uint64(time.Now().UnixNano())
	}
	if s.Requests == 0 {
		s.Requests = 30
	}
	if s.Client == nil {
		s.Client = &http.Client{Timeout: 10 * time.Second}
	}
	e := &explorer{
		t: t, c: c, service: s, seen: Seen{},
		maker: maker{rand: rand.New(rand.NewPCG(s.Seed, s.Seed)), known: s.Known},
	}
	for _, o := range c.Operations {
		e.seen[o.ID] = map[int]int{}
		for range s.Requests {
			e.good(o)
			e.bad(o)
		}
		e.unreadable(o)
		e.strange(o)
	}
	return e.seen
}

type explorer struct {
	maker

	t       testing.TB
	c       *contract.Contract
	service Service
	seen    Seen
}

// problem is what is read of a refusal.
type problem struct {
	Code   string `json:"code"`
	Errors []struct {
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
	} `json:"errors"`
}

func (e *explorer) good(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	status, p := e.ask(q)
	if status == http.StatusBadRequest && p.Code == contract.ErrRequest.Code {
		e.reportf(q, "fits, and was refused: %+v", p)
	}
}

func (e *explorer) bad(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	place, ok := e.spoil(q)
	if !ok {
		return // nothing in it can be wrong
	}
	status, p := e.ask(q)
	if status == http.StatusTooManyRequests {
		return
	}
	if status != http.StatusBadRequest || p.Code != contract.ErrRequest.Code {
		e.reportf(q, "%s does not fit, and the answer is %d %s", place, status, p.Code)
		return
	}
	for _, found := range p.Errors {
		if found.Parameter == place && place != "" || found.Pointer == place || strings.HasPrefix(found.Pointer, place+"/") {
			return
		}
	}
	e.reportf(q, "%s does not fit, but the answer points to %+v", place, p.Errors)
}

// unreadable sends what is no JSON, is nothing that was asked for, or too much.
func (e *explorer) unreadable(o *contract.Operation) {
	e.t.Helper()
	if o.Body == nil {
		return
	}
	for _, raw := range []struct{ contentType, body string }{
		{"application/json", `{"a":`},
		{"application/json", "\"\xff\xfe\""},
		{"application/json", strings.Repeat(`[`, 20000)},
		{"application/json", strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000)},
		{"application/json", `"` + strings.Repeat("x", 1<<20) + `"`},
		{"application/xml", `<a/>`},
		{"", `{}`},
	} {
		q := e.request(o)
		q.raw, q.contentType = []byte(raw.body), raw.contentType
		if status, _ := e.ask(q); status < 400 || status >= 500 {
			e.reportf(q, "cannot be read, and the answer is %d", status)
		}
	}
}

// strange uses a method that the path does not have.
func (e *explorer) strange(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	r, err := q.build(e.t.Context(), e.service)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	r.Method = http.MethodPatch
	if e.c.Find(r) != nil {
		return
	}
	answer, err := e.service.Client.Do(r)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Content-Type") != "application/problem+json" {
		e.reportf(q, "has no PATCH, and the answer to one is %d as %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
}

// ask sends q. Whatever it is, the answer fits and is no 5xx.
func (e *explorer) ask(q *request) (int, problem) {
	e.t.Helper()
	r, err := q.build(e.t.Context(), e.service)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	answer, err := e.service.Client.Do(r)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		e.t.Fatalf("seed %d: %s: %v", e.service.Seed, q.operation, err)
	}
	e.seen[q.operation.ID][answer.StatusCode]++
	if err := e.c.CheckAnswer(r, answer.StatusCode, answer.Header, body); err != nil {
		e.reportf(q, "%v", err)
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		e.reportf(q, "the answer is %d: %s", answer.StatusCode, body)
	}
	var p problem
	if answer.StatusCode >= http.StatusBadRequest {
		if err := json.Unmarshal(body, &p); err != nil {
			e.reportf(q, "the refusal is no JSON: %s", body)
		}
	}
	return answer.StatusCode, p
}

func (e *explorer) reportf(q *request, format string, args ...any) {
	e.t.Helper()
	body := q.text()
	e.t.Errorf("seed %d: %s %v %s\n%s", e.service.Seed, q.operation, q.values, body[:min(len(body), 2000)], fmt.Sprintf(format, args...))
}

// request is one in the making.
type request struct {
	operation   *contract.Operation
	values      map[string][]string // of parameters
	body        any                 // JSON
	raw         []byte              // instead of body
	contentType string
}

// request makes one that fits.
func (m *maker) request(o *contract.Operation) *request {
	q := &request{operation: o, values: map[string][]string{}, contentType: "application/json"}
	for _, p := range o.Parameters {
		if p.Required || m.rand.IntN(2) == 0 {
			q.values[p.Name] = m.parameter(p)
		}
	}
	if o.Body != nil {
		q.body = m.fitting(o.Body.Schema, "")
	}
	return q
}

func (q *request) text() []byte {
	if q.raw != nil || q.operation.Body == nil {
		return q.raw
	}
	body, err := json.Marshal(q.body)
	if err != nil {
		panic(err) // it was made of JSON
	}
	return body
}

func (q *request) build(ctx context.Context, s Service) (*http.Request, error) {
	target := s.URL + target(q)
	r, err := http.NewRequestWithContext(ctx, q.operation.Method, target, bytes.NewReader(q.text()))
	if err != nil {
		return nil, err
	}
	for _, p := range q.operation.Parameters {
		if p.In == "header" {
			r.Header[http.CanonicalHeaderKey(p.Name)] = slices.Clone(q.values[p.Name])
		}
	}
	if q.operation.Body != nil && q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	if s.Token != "" {
		r.Header.Set("Authorization", "Bearer "+s.Token)
	}
	return r, nil
}
