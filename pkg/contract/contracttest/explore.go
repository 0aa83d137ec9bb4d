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

// Service is a running service under test.
type Service struct {
	URL    string       // "http://127.0.0.1:8081"
	Client *http.Client // without redirects, with a timeout; nil: 10 s
	Token  string       // of an agent with all roles; "": no token
	// Known holds existing values of parameters and properties, by name:
	// {"code": {"TRI"}}. Two of three generated values are taken from here.
	Known    map[string][]any
	Requests int    // valid requests per operation, and as many invalid; 0: 30
	Seed     uint64 // 0: random; failures print the seed
}

// Seen counts responses by operation id and status.
type Seen map[string]map[int]int

// Explore generates requests and fails the test unless
//
//   - a valid request is not rejected as invalid, and the response conforms to
//     the contract and is no 5xx;
//   - an invalid request, with a single corrupted value, is rejected with 400
//     request-invalid, and the errors point to this value;
//   - an unreadable body, or an unknown method, is rejected with another 4xx
//     problem.
//
// It returns the number of responses by status, for further assertions.
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
		generator: generator{rand: rand.New(rand.NewPCG(s.Seed, s.Seed)), known: s.Known},
	}
	for _, o := range c.Operations {
		e.seen[o.ID] = map[int]int{}
		for range s.Requests {
			e.sendValid(o)
			e.sendInvalid(o)
		}
		e.sendUnreadable(o)
		e.sendUnknownMethod(o)
	}
	return e.seen
}

// explorer sends generated requests and checks the responses.
type explorer struct {
	generator

	t       testing.TB
	c       *contract.Contract
	service Service
	seen    Seen
}

// problem is the checked part of a problem response.
type problem struct {
	Code   string `json:"code"`
	Errors []struct {
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
	} `json:"errors"`
}

func (e *explorer) sendValid(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	status, p := e.send(q)
	if status == http.StatusBadRequest && p.Code == contract.ErrRequest.Code {
		e.reportf(q, "valid request was rejected: %+v", p)
	}
}

func (e *explorer) sendInvalid(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	location, ok := e.corrupt(q)
	if !ok {
		return // the operation accepts every value
	}
	status, p := e.send(q)
	if status == http.StatusTooManyRequests {
		return
	}
	if status != http.StatusBadRequest || p.Code != contract.ErrRequest.Code {
		e.reportf(q, "%s is invalid, but the response is %d %s", location, status, p.Code)
		return
	}
	for _, found := range p.Errors {
		if found.Parameter == location && location != "" || found.Pointer == location || strings.HasPrefix(found.Pointer, location+"/") {
			return
		}
	}
	e.reportf(q, "%s is invalid, but the response points to %+v", location, p.Errors)
}

// sendUnreadable sends broken JSON, other content types and bodies over the limits.
func (e *explorer) sendUnreadable(o *contract.Operation) {
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
		if status, _ := e.send(q); status < 400 || status >= 500 {
			e.reportf(q, "body is unreadable, but the response is %d", status)
		}
	}
}

// sendUnknownMethod sends PATCH to a path without this method.
func (e *explorer) sendUnknownMethod(o *contract.Operation) {
	e.t.Helper()
	q := e.request(o)
	r, err := q.build(e.t.Context(), e.service)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	r.Method = http.MethodPatch
	if find(e.c, r) != nil {
		return
	}
	response, err := e.service.Client.Do(r)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Content-Type") != "application/problem+json" {
		e.reportf(q, "path has no PATCH, but the response is %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
}

// send sends q and checks the response: it conforms to the contract and is no 5xx.
func (e *explorer) send(q *request) (int, problem) {
	e.t.Helper()
	r, err := q.build(e.t.Context(), e.service)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	response, err := e.service.Client.Do(r)
	if err != nil {
		e.t.Fatalf("seed %d: %v", e.service.Seed, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		e.t.Fatalf("seed %d: %s: %v", e.service.Seed, q.operation, err)
	}
	e.seen[q.operation.ID][response.StatusCode]++
	if err := CheckResponse(e.c, r, response.StatusCode, response.Header, body); err != nil {
		e.reportf(q, "%v", err)
	}
	if response.StatusCode >= http.StatusInternalServerError {
		e.reportf(q, "response is %d: %s", response.StatusCode, body)
	}
	var p problem
	if response.StatusCode >= http.StatusBadRequest {
		if err := json.Unmarshal(body, &p); err != nil {
			e.reportf(q, "problem is not JSON: %s", body)
		}
	}
	return response.StatusCode, p
}

func (e *explorer) reportf(q *request, format string, args ...any) {
	e.t.Helper()
	body := q.text()
	e.t.Errorf("seed %d: %s %v %s\n%s", e.service.Seed, q.operation, q.values, body[:min(len(body), 2000)], fmt.Sprintf(format, args...))
}

// request is a generated request.
type request struct {
	operation   *contract.Operation
	values      map[string][]string // by parameter name
	body        any                 // JSON
	raw         []byte              // instead of body
	contentType string
}

// request generates a valid request.
func (g *generator) request(o *contract.Operation) *request {
	q := &request{operation: o, values: map[string][]string{}, contentType: "application/json"}
	for _, p := range o.Parameters {
		if p.Required || g.rand.IntN(2) == 0 {
			q.values[p.Name] = g.parameter(p)
		}
	}
	if o.Body != nil {
		q.body = g.valid(o.Body.Schema, "")
	}
	return q
}

func (q *request) text() []byte {
	if q.raw != nil || q.operation.Body == nil {
		return q.raw
	}
	body, err := json.Marshal(q.body)
	if err != nil {
		panic(err) // generated from JSON values
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
