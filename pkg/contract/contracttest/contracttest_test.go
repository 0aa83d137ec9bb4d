package contracttest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/contract/contracttest"
	"parley.internal/pkg/web"
)

// recorder collects the failures of a test.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Error(args ...any) { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func library(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contract.Open(os.DirFS("../testdata"), "openapi/library.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const book = `{"title":"Snow","authors":[{"name":"Pamuk"}],"price":1}`

// books returns a service that conforms to the contract of the library.
func books() *web.Mux {
	mux := &web.Mux{}
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/books/1")
			if status != http.StatusNoContent {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	mux.Handle("GET /books", reply(200, "["+book+"]"))
	mux.Handle("POST /books", reply(201, book))
	mux.Handle("GET /books/{isbn}", reply(200, book))
	mux.Handle("PUT /books/{isbn}/loan", reply(204, ""))
	return mux
}

func serve(t *testing.T, handler http.Handler) contracttest.Service {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return contracttest.Service{URL: server.URL, Client: server.Client(), Token: "t", Known: map[string][]any{"isbn": {"12/3", "/"}}}
}

func TestConformingServicePasses(t *testing.T) {
	c := library(t)
	seen := contracttest.Explore(t, c, serve(t, c.Middleware(web.Refuse)(books())))
	for operation, statuses := range map[string][]int{
		"listBooks": {200, 400}, "addBook": {201, 400, 413, 415}, "getBook": {200, 400}, "lend": {204, 400, 413, 415},
	} {
		for _, status := range statuses {
			if seen[operation][status] == 0 {
				t.Errorf("got no %d from %s: %v", status, operation, seen[operation])
			}
		}
	}
}

func TestEachViolationIsFound(t *testing.T) {
	c := library(t)
	broken := func(pattern string, handler http.HandlerFunc) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", c.Middleware(web.Refuse)(books()))
		mux.Handle(pattern, c.Middleware(web.Refuse)(handler))
		return mux
	}
	tests := map[string]struct {
		service http.Handler
		failure string // part of a failure
	}{
		"no validation": {books(), "is invalid, but the response is 201"},
		"failing on odd text": {broken("POST /books", func(w http.ResponseWriter, r *http.Request) {
			var b struct{ Title string }
			if _ = json.NewDecoder(r.Body).Decode(&b); strings.ContainsAny(b.Title, "\x00%<{ż👩") {
				web.Refuse(w, r, io.ErrUnexpectedEOF)
				return
			}
			books().ServeHTTP(w, r)
		}), "response is 500"},
		"invalid response": {broken("GET /books/{isbn}", func(w http.ResponseWriter, _ *http.Request) {
			web.Reply(w, 200, map[string]string{"title": "Snow"})
		}), "#/authors is required"},
		"valid request rejected": {broken("PUT /books/{isbn}/loan", func(w http.ResponseWriter, r *http.Request) {
			web.Refuse(w, r, contract.ErrRequest.With("no"))
		}), "valid request was rejected"},
		"unknown method accepted": {broken("PATCH /books", func(w http.ResponseWriter, _ *http.Request) {
			web.Reply(w, 200, "hm")
		}), "path has no PATCH, but the response is 200"},
		"error without pointer": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.Middleware(func(w http.ResponseWriter, r *http.Request, _ error) {
				web.Refuse(w, r, contract.ErrRequest.With("it"))
			})(books()).ServeHTTP(w, r)
		}), "but the response points to []"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			service := serve(t, tt.service)
			service.Seed = 1
			contracttest.Explore(r, c, service)
			all := strings.Join(r.failures, "\n")
			if !strings.Contains(all, tt.failure) || !strings.HasPrefix(all, "seed 1: ") {
				t.Errorf("got %d failures without %q: %.500s", len(r.failures), tt.failure, all)
			}
		})
	}
}

func TestTransportPassesResponsesOn(t *testing.T) {
	c := library(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { web.Reply(w, 200, "hm") })
	service := serve(t, mux)
	r := &recorder{TB: t}
	client := &http.Client{Transport: contracttest.Transport(r, c, http.DefaultTransport)}
	for path, failures := range map[string]int{"/books/1": 1, "/healthz": 0} {
		r.failures = nil
		response, err := client.Get(service.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "\"hm\"\n" || len(r.failures) != failures {
			t.Errorf("got body %s and failures %v for %s, want %d failures", body, r.failures, path, failures)
		}
	}
}
