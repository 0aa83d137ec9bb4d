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
		t.Errorf("content type %q, status %d in the body and %d in the head", ct, p.Status, w.Code)
	}
	return p
}

func TestARefusalTellsOnlyWhatTheCallerMaySee(t *testing.T) {
	shown := fault.New(fault.Conflict, "offer-expired", "Offer %s has expired").With("7")
	tests := map[string]struct {
		err    error
		status int
		code   string
		detail string
	}{
		"a fault":         {shown, http.StatusConflict, "offer-expired", "Offer 7 has expired"},
		"a wrapped fault": {fmt.Errorf("buy: %w", shown), http.StatusConflict, "offer-expired", "Offer 7 has expired"},
		"a wait that took too long": {
			fmt.Errorf("read: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, "busy",
			"the service is busy; try again in a moment",
		},
		"anything else": {
			errors.New("password=secret"), http.StatusInternalServerError, "internal",
			"something went wrong on our side",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err)
			if p := problem(t, w); p.Status != tt.status || p.Code != tt.code || p.Detail != tt.detail {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestARefusalPointsToWhatIsWrong(t *testing.T) {
	err := fault.New(fault.Invalid, "request-invalid", "the request is %s").With("wrong").At(
		fault.Field{Pointer: "#/text", Detail: "is required"},
		fault.Field{Parameter: "limit", Detail: "must be an integer"},
	)
	w := httptest.NewRecorder()
	web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), fmt.Errorf("say: %w", err))

	p := problem(t, w)
	want := []web.Field{{Pointer: "#/text", Detail: "is required"}, {Parameter: "limit", Detail: "must be an integer"}}
	if !slices.Equal(p.Errors, want) || p.Detail != "the request is wrong" {
		t.Errorf("got %+v", p)
	}
	if got := w.Body.String(); !strings.Contains(got, `"errors":[{"pointer":"#/text","detail":"is required"},{"parameter":"limit",`) {
		t.Errorf("on the wire: %s", got)
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	for kind := fault.Internal; kind <= fault.Unavailable; kind++ {
		w := httptest.NewRecorder()
		web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), fault.New(kind, "c", "d"))
		if w.Code < 400 || (w.Code == 500) != (kind == fault.Internal) {
			t.Errorf("kind %d answers %d", kind, w.Code)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	const js = "application/json"
	tests := map[string]struct {
		contentType, body string
		status            int
		detail            string // a part
	}{
		"a good body":              {contentType: js, body: `{"n":1}`},
		"a charset is no matter":   {contentType: js + "; charset=utf-8", body: ` {"n":1} `},
		"an unknown field neither": {contentType: js, body: `{"n":1,"more":[]}`},
		"no content type":          {body: `{}`, status: 415, detail: "application/json"},
		"a form":                   {contentType: "text/plain", body: `{}`, status: 415, detail: "application/json"},
		"nothing":                  {contentType: js, status: 400, detail: "broken JSON"},
		"half a body":              {contentType: js, body: `{"n":`, status: 400, detail: "broken JSON at byte 5"},
		"two bodies":               {contentType: js, body: `{} {}`, status: 400, detail: "broken JSON"},
		"a wrong type":             {contentType: js, body: `{"n":"x"}`, status: 400, detail: "n must not be a string"},
		"an array":                 {contentType: js, body: `[]`, status: 400, detail: "it must not be an array"},
		"a number too large":       {contentType: js, body: `{"n":1e99}`, status: 400, detail: "n must not be"},
		"broken text":              {contentType: js, body: "{\"n\":\"\xff\"}", status: 400, detail: "UTF-8"},
		"too much":                 {contentType: js, body: strings.Repeat(" ", web.MaxBody+1), status: 413, detail: "65536"},
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
					t.Errorf("got %d, error %v", v.N, err)
				}
				return
			}
			web.Refuse(w, r, err)
			if p := problem(t, w); p.Status != tt.status || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	for query, want := range map[string]int{
		"": 50, "?limit=1": 1, "?limit=200": 200, "?limit=0": 0, "?limit=201": 0, "?limit=x": 0, "?limit=": 0, "?limit=-1": 0,
	} {
		n, err := web.Limit(httptest.NewRequest(http.MethodGet, "/"+query, nil), 50, 200)
		if n != want || (err == nil) != (want > 0) {
			t.Errorf("%s: got %d, error %v", query, n, err)
		}
	}
}

func TestOriginsAreListedOneByOne(t *testing.T) {
	for list, fits := range map[string]bool{
		"": true,
		"https://a.example, http://b.example:8080": true,
		"*":                  false,
		"https://*.example":  false,
		"a.example":          false,
		"https://a.example/": false,
	} {
		if _, err := web.ParseOrigins(list); (err == nil) != fits {
			t.Errorf("%q: error %v", list, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	origins, err := web.ParseOrigins("https://portal.example")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		origin       string
		socket, cors bool
	}{
		"no page":          {socket: true},
		"the page's own":   {origin: "http://chat.example", socket: true},
		"an allowed page":  {origin: "https://portal.example", socket: true, cors: true},
		"a foreign page":   {origin: "https://evil.example"},
		"a page in a file": {origin: "null"},
		"an alike name":    {origin: "https://portal.example.evil.example"},
		"another scheme":   {origin: "http://portal.example"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://chat.example/", nil)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if got := origins.Allow(r); got != tt.socket {
				t.Errorf("a socket is allowed: %t", got)
			}
			w := httptest.NewRecorder()
			origins.CORS(http.NotFoundHandler()).ServeHTTP(w, r)
			allowed := w.Header().Get("Access-Control-Allow-Origin")
			credentials := w.Header().Get("Access-Control-Allow-Credentials") == "true"
			if (allowed == tt.origin && credentials) != tt.cors || (!tt.cors && allowed != "") {
				t.Errorf("CORS allows %q, credentials %t", allowed, credentials)
			}
		})
	}
}

func TestTheMuxRefusesInProblems(t *testing.T) {
	var mux web.Mux
	mux.HandleFunc("POST /api/things", func(http.ResponseWriter, *http.Request) { panic("bug") })
	tests := map[string]struct {
		method, path string
		status       int
	}{
		"an unknown path":         {http.MethodGet, "/api/nothing", http.StatusNotFound},
		"a wrong method":          {http.MethodDelete, "/api/things", http.StatusMethodNotAllowed},
		"a handler that panicked": {http.MethodPost, "/api/things", http.StatusInternalServerError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			web.Recover(&mux).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
			if p := problem(t, w); p.Status != tt.status {
				t.Errorf("got %+v", p)
			}
			if allow := w.Header().Get("Allow"); (allow != "") != (tt.status == http.StatusMethodNotAllowed) {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

func TestServeFinishesWhatIsInHand(t *testing.T) {
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
		t.Errorf("got %q, error %v", body, err)
	}
	if err := <-served; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// host is a service whose Drain is drained, and whose Run waits for its end.
type host struct{ drained func(context.Context) }

func (host) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (h host) Drain(ctx context.Context) { h.drained(ctx) }

func TestServeAnswersWhileItsServicesDrain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var status int
	lasting := host{drained: func(ctx context.Context) {
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
	if err := web.Serve(ctx, listener, http.NotFoundHandler(), lasting); err != nil {
		t.Error(err)
	}
	if status != http.StatusNotFound {
		t.Errorf("a request while a service drained got %d, want %d", status, http.StatusNotFound)
	}
}

func TestServeHurriesNobodyWhileItsServicesDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
		here, there := net.Pipe()
		p.conn <- there
		handler := web.Deadline(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
				w.WriteHeader(http.StatusServiceUnavailable)
			case <-time.After(time.Second):
			}
		}))
		lasting := host{drained: func(context.Context) {
			<-time.After(5 * time.Second)
			_, _ = io.WriteString(here, get)
			answer, err := http.ReadResponse(bufio.NewReader(here), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if answer.StatusCode != http.StatusOK {
				t.Errorf("a request five seconds into a drain got %s", answer.Status)
			}
			_ = answer.Body.Close()
			_ = here.Close()
		}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := web.Serve(ctx, p, handler, lasting); err != nil {
			t.Error(err)
		}
	})
}
