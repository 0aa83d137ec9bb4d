package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func problem(t *testing.T, w *httptest.ResponseRecorder) web.Problem {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" || p.Status != w.Code {
		t.Errorf("got content type %q and status %d in the body, %d in the header", ct, p.Status, w.Code)
	}
	return p
}

func TestRefuseHidesInternalErrors(t *testing.T) {
	shown := fault.New(fault.Conflict, "offer-expired", "Offer %s has expired").With("7")
	tests := map[string]struct {
		err    error
		status int
		code   string
		detail string
	}{
		"a fault":         {shown, http.StatusConflict, "offer-expired", "Offer 7 has expired"},
		"a wrapped fault": {fmt.Errorf("buy: %w", shown), http.StatusConflict, "offer-expired", "Offer 7 has expired"},
		"a timeout": {
			fmt.Errorf("read: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, "busy",
			"the service is busy; try again in a moment",
		},
		"an internal error": {
			errors.New("password=secret"), http.StatusInternalServerError, "internal",
			"something went wrong on our side",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err)
			if p := problem(t, w); p.Status != tt.status || p.Code != tt.code || p.Detail != tt.detail {
				t.Errorf("got problem %+v", p)
			}
		})
	}
}

func TestRefuseListsInvalidFields(t *testing.T) {
	err := fault.New(fault.Invalid, "request-invalid", "the request is %s").With("wrong").At(
		fault.Field{Pointer: "#/text", Detail: "is required"},
		fault.Field{Parameter: "limit", Detail: "must be an integer"},
	)
	w := httptest.NewRecorder()
	web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), fmt.Errorf("send: %w", err))

	p := problem(t, w)
	want := []fault.Field{{Pointer: "#/text", Detail: "is required"}, {Parameter: "limit", Detail: "must be an integer"}}
	if !slices.Equal(p.Errors, want) || p.Detail != "the request is wrong" {
		t.Errorf("got problem %+v", p)
	}
	if got := w.Body.String(); !strings.Contains(got, `"errors":[{"pointer":"#/text","detail":"is required"},{"parameter":"limit",`) {
		t.Errorf("got body %s, want the errors in wire form", got)
	}
}

func TestEveryKindHasAnErrorStatus(t *testing.T) {
	for kind := fault.Internal; kind <= fault.Unavailable; kind++ {
		w := httptest.NewRecorder()
		web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), fault.New(kind, "c", "d"))
		if w.Code < 400 || (w.Code == 500) != (kind == fault.Internal) {
			t.Errorf("kind %d: got status %d", kind, w.Code)
		}
	}
}

func TestDecodeExplainsInvalidBodies(t *testing.T) {
	const js = "application/json"
	tests := map[string]struct {
		contentType, body string
		status            int
		detail            string // a part
	}{
		"a valid body":          {contentType: js, body: `{"n":1}`},
		"a charset parameter":   {contentType: js + "; charset=utf-8", body: ` {"n":1} `},
		"an unknown field":      {contentType: js, body: `{"n":1,"more":[]}`},
		"no content type":       {body: `{}`, status: 415, detail: "application/json"},
		"another content type":  {contentType: "text/plain", body: `{}`, status: 415, detail: "application/json"},
		"an empty body":         {contentType: js, status: 400, detail: "broken JSON"},
		"a truncated body":      {contentType: js, body: `{"n":`, status: 400, detail: "broken JSON at byte 5"},
		"two values":            {contentType: js, body: `{} {}`, status: 400, detail: "broken JSON"},
		"a wrong type":          {contentType: js, body: `{"n":"x"}`, status: 400, detail: "n must not be a string"},
		"an array":              {contentType: js, body: `[]`, status: 400, detail: "it must not be an array"},
		"a number out of range": {contentType: js, body: `{"n":1e99}`, status: 400, detail: "n must not be"},
		"invalid UTF-8":         {contentType: js, body: "{\"n\":\"\xff\"}", status: 400, detail: "UTF-8"},
		"a body over the limit": {contentType: js, body: strings.Repeat(" ", web.MaxBody+1), status: 413, detail: "65536"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			w := httptest.NewRecorder()
			var v struct {
				N int `json:"n"`
			}
			err := web.Decode(w, r, &v)
			if tt.status == 0 {
				if err != nil || v.N != 1 {
					t.Errorf("got n = %d, error %v, want 1", v.N, err)
				}
				return
			}
			web.Refuse(w, r, err)
			if p := problem(t, w); p.Status != tt.status || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got problem %+v", p)
			}
		})
	}
}

func TestParseOriginsRejectsWildcardsAndPaths(t *testing.T) {
	for list, fits := range map[string]bool{
		"": true,
		"https://a.example, http://b.example:8080": true,
		"*":                  false,
		"https://*.example":  false,
		"a.example":          false,
		"https://a.example/": false,
	} {
		if _, err := web.ParseOrigins(list); (err == nil) != fits {
			t.Errorf("%q: got error %v, want valid: %t", list, err, fits)
		}
	}
}

func TestOriginsAllowListedPagesOnly(t *testing.T) {
	origins, err := web.ParseOrigins("https://portal.example")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		origin       string
		socket, cors bool
	}{
		"no Origin header": {socket: true},
		"the same origin":  {origin: "http://chat.example", socket: true},
		"a listed origin":  {origin: "https://portal.example", socket: true, cors: true},
		"another origin":   {origin: "https://evil.example"},
		"a local file":     {origin: "null"},
		"a listed prefix":  {origin: "https://portal.example.evil.example"},
		"another scheme":   {origin: "http://portal.example"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://chat.example/", nil)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if got := origins.Allow(r); got != tt.socket {
				t.Errorf("Allow returned %t, want %t", got, tt.socket)
			}
			w := httptest.NewRecorder()
			origins.CORS(http.NotFoundHandler()).ServeHTTP(w, r)
			allowed := w.Header().Get("Access-Control-Allow-Origin")
			credentials := w.Header().Get("Access-Control-Allow-Credentials") == "true"
			if (allowed == tt.origin && credentials) != tt.cors || (!tt.cors && allowed != "") {
				t.Errorf("CORS allowed origin %q, credentials %t, want allowed: %t", allowed, credentials, tt.cors)
			}
		})
	}
}

func TestMuxRespondsWithProblems(t *testing.T) {
	var mux web.Mux
	mux.HandleFunc("POST /api/things", func(http.ResponseWriter, *http.Request) { panic("bug") })
	tests := map[string]struct {
		method, path string
		status       int
	}{
		"an unknown path":       {http.MethodGet, "/api/nothing", http.StatusNotFound},
		"a wrong method":        {http.MethodDelete, "/api/things", http.StatusMethodNotAllowed},
		"a handler that panics": {http.MethodPost, "/api/things", http.StatusInternalServerError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			web.Recover(&mux).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			if p := problem(t, w); p.Status != tt.status {
				t.Errorf("got problem %+v", p)
			}
			if allow := w.Header().Get("Allow"); (allow != "") != (tt.status == http.StatusMethodNotAllowed) {
				t.Errorf("got Allow header %q", allow)
			}
		})
	}
}

func TestServeFinishesRunningRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = io.WriteString(w, "done")
	})
	served := make(chan error, 1)
	go func() { served <- web.Serve(ctx, listener, handler) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil || string(body) != "done" {
		t.Errorf("got body %q, error %v, want done", body, err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned error %v, want none", err)
	}
}

// service is a web.Service: Run waits for the end of its context, Drain calls drain.
type service struct{ drain func(context.Context) }

func (service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (s service) Drain(ctx context.Context) { s.drain(ctx) }

func TestServeAcceptsRequestsWhileDraining(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var status int
	draining := service{drain: func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		status = answer.StatusCode
		_ = answer.Body.Close()
	}}
	cancel()
	if err := web.Serve(ctx, listener, http.NotFoundHandler(), draining); err != nil {
		t.Error(err)
	}
	if status != http.StatusNotFound {
		t.Errorf("got status %d while draining, want %d", status, http.StatusNotFound)
	}
}

func TestDrainingDoesNotCancelRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
		client, conn := net.Pipe()
		p.conn <- conn
		handler := web.Deadline(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
				w.WriteHeader(http.StatusServiceUnavailable)
			case <-time.After(time.Second):
			}
		}))
		draining := service{drain: func(context.Context) {
			<-time.After(5 * time.Second)
			_, _ = io.WriteString(client, get)
			answer, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if answer.StatusCode != http.StatusOK {
				t.Errorf("got status %s after 5 s of draining, want 200", answer.Status)
			}
			_ = answer.Body.Close()
			_ = client.Close()
		}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := web.Serve(ctx, p, handler, draining); err != nil {
			t.Error(err)
		}
	})
}

func TestServeCancelsSlowRequestsTwoSecondsAfterDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
		client, server := net.Pipe()
		p.conn <- server
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		handler := web.Deadline(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
			web.Refuse(w, r, fmt.Errorf("wait: %w", r.Context().Err()))
		}))
		var responding sync.WaitGroup
		responding.Go(func() {
			_, _ = io.WriteString(client, get)
			response, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Error(err)
				return
			}
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), `"busy"`) {
				t.Errorf("got %s %s, want 503 busy", response.Status, body)
			}
			_ = client.Close()
		})
		if err := web.Serve(ctx, p, handler); err != nil {
			t.Error(err)
		}
		responding.Wait()
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("Serve returned after %s, want 2 s", took)
		}
	})
}
