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

func TestHubChecksTokenAndOrigin(t *testing.T) {
	url, _ := start(t, t.TempDir(), func(c *server.Config) { c.AllowedOrigins = "https://portal.example" })
	token := portaltest.SignedIn(t, url, "jimmy.solid", "secret").Token
	tests := map[string]struct {
		token, origin string
		status        int // of the upgrade
	}{
		"no Origin header":            {token: token, status: 101},
		"the same origin":             {token: token, origin: url, status: 101},
		"an allowed origin":           {token: token, origin: "https://portal.example", status: 101},
		"no token":                    {status: 401},
		"a malformed token":           {token: "x", status: 401},
		"a token with another key":    {token: forged(t, strings.Repeat("x", 32), time.Hour), status: 401},
		"an expired token":            {token: forged(t, string(secret), -time.Minute), status: 401},
		"a foreign origin":            {token: token, origin: "https://evil.example", status: 403},
		"a foreign origin, no token":  {origin: "https://evil.example", status: 401},
		"another port":                {token: token, origin: "http://127.0.0.1:1", status: 403},
		"a null origin":               {token: token, origin: "null", status: 403},
		"an allowed origin as prefix": {token: token, origin: "https://portal.example.evil.example", status: 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", tt.origin)
			}
			ws, response, err := websocket.DefaultDialer.DialContext(deadline(t),
				"ws"+strings.TrimPrefix(url, "http")+"/agentsChat?access_token="+tt.token, header)
			if response == nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("upgrade: got status %d, want %d", response.StatusCode, tt.status)
			}
			if ws != nil {
				_ = ws.Close()
			}
			_ = response.Body.Close()

			negotiate := &portaltest.Client{URL: url, Token: tt.token}
			a, err := negotiate.Do(deadline(t), http.MethodPost, "/agentsChat/negotiate?negotiateVersion=1", nil,
				"Origin", tt.origin)
			want := tt.status
			if want == 101 {
				want = 200
			}
			if err != nil || a.Status != want {
				t.Errorf("negotiate: got status %d, want %d, error %v", a.Status, want, err)
			}
			if allowed := a.Header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != "https://portal.example" {
				t.Errorf("CORS allowed origin %q", allowed)
			}
		})
	}
}

func TestRESTIgnoresTokenInQuery(t *testing.T) {
	url, _ := start(t, t.TempDir())
	token := portaltest.SignedIn(t, url, "jimmy.solid", "secret").Token
	anonymous := &portaltest.Client{URL: url}
	for _, path := range []string{"/api/products", "/api/policies", "/api/messages/since?since=2026-01-01T00:00:00Z"} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		a, err := anonymous.Do(deadline(t), http.MethodGet, path+separator+"access_token="+token, nil)
		if err != nil || a.Status != http.StatusUnauthorized || a.Code() != "token-missing" {
			t.Errorf("%s: got %d %s, error %v, want 401", path, a.Status, a.Body, err)
		}
	}
}

func TestInvalidMessageRequestsAreRefused(t *testing.T) {
	url, _ := start(t, t.TempDir())
	jimmy := portaltest.SignedIn(t, url, "jimmy.solid", "secret")
	const since = "/api/messages/since"
	tests := map[string]struct {
		method, path string
		body         any
		header       []string
		status       int
	}{
		"no since":                   {"GET", since, nil, nil, 400},
		"a malformed since":          {"GET", since + "?since=yesterday", nil, nil, 400},
		"an invented cursor":         {"GET", since + "?since=eyJHZW5lcmFsIjo3fQ", nil, nil, 400},
		"limit 0":                    {"GET", since + "?since=2026-01-01T00:00:00Z&limit=0", nil, nil, 400},
		"limit over the maximum":     {"GET", since + "?since=2026-01-01T00:00:00Z&limit=1001", nil, nil, 400},
		"a limit without digits":     {"GET", since + "?since=2026-01-01T00:00:00Z&limit=ten", nil, nil, 400},
		"no text":                    {"POST", "/api/messages", map[string]any{}, nil, 400},
		"null text":                  {"POST", "/api/messages", map[string]any{"text": nil}, nil, 400},
		"a number as text":           {"POST", "/api/messages", map[string]any{"text": 7}, nil, 400},
		"blank text":                 {"POST", "/api/messages", map[string]any{"text": " "}, nil, 400},
		"text with a null byte":      {"POST", "/api/messages", map[string]any{"text": "a\x00"}, nil, 400},
		"text over the limit":        {"POST", "/api/messages", map[string]any{"text": strings.Repeat("x", 4001)}, nil, 400},
		"an empty client id":         {"POST", "/api/messages", map[string]any{"text": "a", "clientId": ""}, nil, 400},
		"a client id over the limit": {"POST", "/api/messages", map[string]any{"text": "a", "clientId": strings.Repeat("x", 65)}, nil, 400},
		"malformed JSON":             {"POST", "/api/messages", []byte(`{"text":`), nil, 400},
		"invalid UTF-8":              {"POST", "/api/messages", []byte("{\"text\":\"\xff\"}"), nil, 400},
		"another content type":       {"POST", "/api/messages", []byte(`text=a`), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"a body over the limit":      {"POST", "/api/messages", []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`), nil, 413},
		"a wrong method":             {"DELETE", "/api/messages", nil, nil, 405},
		"an unknown path":            {"GET", "/api/messages/until", nil, nil, 404},
		"an unknown API":             {"GET", "/api/nothing", nil, nil, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := jimmy.Do(deadline(t), tt.method, tt.path, tt.body, tt.header...)
			if err != nil || a.Status != tt.status || a.Code() == "" {
				t.Errorf("got %d %s, error %v, want a problem with status %d", a.Status, a.Body, err, tt.status)
			}
		})
	}
	entries, _, err := jimmy.Since(deadline(t), "2020-01-01T00:00:00Z")
	if err != nil || len(entries) > 0 {
		t.Errorf("got entries %v, error %v, want none", entries, err)
	}
}
