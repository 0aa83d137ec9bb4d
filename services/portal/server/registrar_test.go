package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"parley.internal/pkg/auth"
	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
	"parley.internal/portal/session"
)

// fakeChat is a chat service with only the endpoints that the portal calls itself.
type fakeChat struct {
	t      *testing.T
	tokens *auth.Secret
	status atomic.Int32  // of responses
	logins chan []string // of each accepted request
}

func (c *fakeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		if c.status.Load() == http.StatusServiceUnavailable {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, `{"status":"ready"}`)
		return
	}
	id, err := c.tokens.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil || id.Login != "parley" || !id.Has(auth.Admin) || r.Method != http.MethodPut || r.URL.Path != "/api/agents" {
		c.t.Errorf("got request %s %s from %v, error %v", r.Method, r.URL, id, err)
	}
	if status := int(c.status.Load()); status != http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	var in struct{ Agents []auth.Agent }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		c.t.Error(err)
	}
	var logins []string
	for _, a := range in.Agents {
		if a.Name != "N" || a.Avatar != "/a.svg" {
			c.t.Errorf("got agent %v, want name N and avatar /a.svg", a)
		}
		logins = append(logins, a.Login)
	}
	w.WriteHeader(http.StatusNoContent)
	c.logins <- logins
}

// wantRegistered waits for the logins of n agents, at most 200 per request.
func (c *fakeChat) wantRegistered(n int) {
	c.t.Helper()
	known := map[string]bool{}
	for len(known) < n {
		select {
		case logins := <-c.logins:
			if len(logins) > 200 {
				c.t.Errorf("got %d agents in one request, want at most 200", len(logins))
			}
			for _, login := range logins {
				known[login] = true
			}
		case <-deadline(c.t).Done():
			c.t.Fatalf("got %d agents, want %d", len(known), n)
		}
	}
}

func TestAgentsAreRegisteredWithRemoteChat(t *testing.T) {
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	chat := &fakeChat{t: t, tokens: tokens, logins: make(chan []string, 100)}
	chat.status.Store(http.StatusInternalServerError)
	remote := httptest.NewServer(chat)
	t.Cleanup(remote.Close)
	url, _ := start(t, t.TempDir(), func(c *server.Config) {
		c.ChatURL = remote.URL
		c.AgentsFile = agentsFile(t, 450)
	})

	waitReady := func(want string) {
		t.Helper()
		ctx := deadline(t)
		var a portaltest.Response
		for !strings.Contains(string(a.Body), want) {
			if a, err = (&portaltest.Client{URL: url}).Do(ctx, http.MethodGet, "/readyz", nil); err != nil {
				t.Fatal(err)
			}
			portaltest.Pause(ctx)
		}
	}
	waitReady("register agents with chat: chat responded 500")
	chat.status.Store(http.StatusNoContent) // Registration is retried.
	chat.wantRegistered(450)
	chat.status.Store(http.StatusServiceUnavailable)
	waitReady("chat: ready") // the status in chat's own report
	chat.status.Store(http.StatusNoContent)
	chat.wantRegistered(450)
}

func TestAnnouncementReachesAgentBeforeFirstSignIn(t *testing.T) {
	url, _ := start(t, t.TempDir())
	ctx := deadline(t)
	admin := portaltest.SignedIn(t, url, "admin", "admin")
	for _, tt := range []struct {
		audience any
		status   int
		code     string
	}{
		{[]string{"danny.solid", "nobody"}, http.StatusNotFound, "agent-unknown"},
		{"danny.solid", http.StatusAccepted, ""},
	} {
		a, err := admin.Do(ctx, http.MethodPost, "/api/notifications", map[string]any{"text": "Meeting at ten", "audience": tt.audience})
		if err != nil || a.Status != tt.status || a.Code() != tt.code {
			t.Errorf("announcement to %v: got %d %s, error %v", tt.audience, a.Status, a.Body, err)
		}
	}
	entries, _, err := portaltest.SignedIn(t, url, "danny.solid", "secret").Since(ctx, "2020-01-01T00:00:00Z")
	if err != nil || len(entries) != 1 || entries[0].Stream != "Own:danny.solid" || entries[0].Body != "Meeting at ten" {
		t.Errorf("got entries of danny %v, error %v, want the announcement", entries, err)
	}
}

func agentsFile(t *testing.T, n int) string {
	t.Helper()
	type account struct {
		Login    string   `json:"login"`
		Name     string   `json:"name"`
		Avatar   string   `json:"avatar"`
		Roles    []string `json:"roles"`
		Password string   `json:"password"`
	}
	hash := session.HashPassword("secret")
	var file struct {
		Agents []account `json:"agents"`
	}
	for i := range n {
		file.Agents = append(file.Agents, account{fmt.Sprintf("agent.%03d", i), "N", "/a.svg", []string{auth.Salesman}, hash})
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agents.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
