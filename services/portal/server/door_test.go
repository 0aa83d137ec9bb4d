package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
)

func forged(t *testing.T, key string, exp time.Duration) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "jimmy.solid", "roles": []string{"ADMIN"}, "exp": time.Now().Add(exp).Unix(),
	}).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestTheHubLetsInOnly tries every way to the hub's door.
func TestTheHubLetsInOnly(t *testing.T) {
	url, _ := start(t, t.TempDir(), func(c *server.Config) { c.AllowedOrigins = "https://portal.example" })
	token := portaltest.SignedIn(t, url, "jimmy.solid", "secret").Token
	tests := map[string]struct {
		token, origin string
		status        int // of the socket; 101 lets in
	}{
		"a program with a token":          {token: token, status: 101},
		"a page of its own origin":        {token: token, origin: url, status: 101},
		"a page of an allowed origin":     {token: token, origin: "https://portal.example", status: 101},
		"nobody":                          {status: 401},
		"what is no token":                {token: "x", status: 401},
		"a token of another issuer":       {token: forged(t, strings.Repeat("x", 32), time.Hour), status: 401},
		"a token that has expired":        {token: forged(t, string(secret), -time.Minute), status: 401},
		"a page of a foreign origin":      {token: token, origin: "https://evil.example", status: 403},
		"a foreign page without a token":  {origin: "https://evil.example", status: 401},
		"a page of another port":          {token: token, origin: "http://127.0.0.1:1", status: 403},
		"a page that hides where it is":   {token: token, origin: "null", status: 403},
		"a page of an origin alike in it": {token: token, origin: "https://portal.example.evil.example", status: 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", tt.origin)
			}
			ws, response, err := websocket.DefaultDialer.DialContext(patient(t),
				"ws"+strings.TrimPrefix(url, "http")+"/agentsChat?access_token="+tt.token, header)
			if response == nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("the socket is answered with %d, want %d", response.StatusCode, tt.status)
			}
			if ws != nil {
				_ = ws.Close()
			}
			_ = response.Body.Close()

			negotiate := &portaltest.Client{URL: url, Token: tt.token}
			a, err := negotiate.Do(patient(t), http.MethodPost, "/agentsChat/negotiate?negotiateVersion=1", nil,
				"Origin", tt.origin)
			want := tt.status
			if want == 101 {
				want = 200
			}
			if err != nil || a.Status != want {
				t.Errorf("negotiate answers %d, want %d, error %v", a.Status, want, err)
			}
			if allowed := a.Header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != "https://portal.example" {
				t.Errorf("CORS allows %q", allowed)
			}
		})
	}
}

func TestRESTTakesNoTokenFromTheQuery(t *testing.T) {
	url, _ := start(t, t.TempDir())
	token := portaltest.SignedIn(t, url, "jimmy.solid", "secret").Token
	nobody := &portaltest.Client{URL: url}
	for _, path := range []string{"/api/products", "/api/policies", "/api/messages/since?since=2026-01-01T00:00:00Z"} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		a, err := nobody.Do(patient(t), http.MethodGet, path+separator+"access_token="+token, nil)
		if err != nil || a.Status != http.StatusUnauthorized || a.Code() != "token-missing" {
			t.Errorf("%s answers %d %s, error %v", path, a.Status, a.Body, err)
		}
	}
}

// TestBadRequestsOfMessagesAreRefused sends what no program should.
func TestBadRequestsOfMessagesAreRefused(t *testing.T) {
	url, _ := start(t, t.TempDir())
	jimmy := portaltest.SignedIn(t, url, "jimmy.solid", "secret")
	const since = "/api/messages/since"
	tests := map[string]struct {
		method, path string
		body         any
		header       []string
		status       int
	}{
		"no since":                {"GET", since, nil, nil, 400},
		"a since that is neither": {"GET", since + "?since=yesterday", nil, nil, 400},
		"a cursor made up":        {"GET", since + "?since=eyJHZW5lcmFsIjo3fQ", nil, nil, 400},
		"a limit of nothing":      {"GET", since + "?since=2026-01-01T00:00:00Z&limit=0", nil, nil, 400},
		"a limit beyond":          {"GET", since + "?since=2026-01-01T00:00:00Z&limit=1001", nil, nil, 400},
		"a limit in words":        {"GET", since + "?since=2026-01-01T00:00:00Z&limit=ten", nil, nil, 400},
		"no text":                 {"POST", "/api/messages", map[string]any{}, nil, 400},
		"text that is null":       {"POST", "/api/messages", map[string]any{"text": nil}, nil, 400},
		"text that is a number":   {"POST", "/api/messages", map[string]any{"text": 7}, nil, 400},
		"blank text":              {"POST", "/api/messages", map[string]any{"text": " "}, nil, 400},
		"text with a null byte":   {"POST", "/api/messages", map[string]any{"text": "a\x00"}, nil, 400},
		"text that is too long":   {"POST", "/api/messages", map[string]any{"text": strings.Repeat("x", 4001)}, nil, 400},
		"an empty client id":      {"POST", "/api/messages", map[string]any{"text": "a", "clientId": ""}, nil, 400},
		"a client id of a book":   {"POST", "/api/messages", map[string]any{"text": "a", "clientId": strings.Repeat("x", 65)}, nil, 400},
		"broken JSON":             {"POST", "/api/messages", []byte(`{"text":`), nil, 400},
		"broken UTF-8":            {"POST", "/api/messages", []byte("{\"text\":\"\xff\"}"), nil, 400},
		"a form":                  {"POST", "/api/messages", []byte(`text=a`), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"a body of a megabyte":    {"POST", "/api/messages", []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`), nil, 413},
		"a method that is none":   {"DELETE", "/api/messages", nil, nil, 405},
		"a path that is none":     {"GET", "/api/messages/until", nil, nil, 404},
		"an API that is none":     {"GET", "/api/nothing", nil, nil, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := jimmy.Do(patient(t), tt.method, tt.path, tt.body, tt.header...)
			if err != nil || a.Status != tt.status || a.Code() == "" {
				t.Errorf("got %d %s, error %v", a.Status, a.Body, err)
			}
		})
	}
	entries, _, err := jimmy.Since(patient(t), "2020-01-01T00:00:00Z")
	if err != nil || len(entries) > 0 {
		t.Errorf("the log holds %v, error %v", entries, err)
	}
}
