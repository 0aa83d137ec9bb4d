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
)

// fakeChat is a chat service of which there is only what the portal asks for by
// itself.
type fakeChat struct {
	t      *testing.T
	tokens *auth.Secret
	state  atomic.Int32 // of its answers
	told   chan []string
}

func (c *fakeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		if c.state.Load() == http.StatusServiceUnavailable {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, `{"status":"ready"}`)
		return
	}
	who, err := c.tokens.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil || who.Login != "parley" || !who.Has(auth.Admin) || r.Method != http.MethodPut || r.URL.Path != "/api/agents" {
		c.t.Errorf("%s %s comes from %v, error %v", r.Method, r.URL, who, err)
	}
	if status := int(c.state.Load()); status != http.StatusNoContent {
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
			c.t.Errorf("chat is told of %v", a)
		}
		logins = append(logins, a.Login)
	}
	w.WriteHeader(http.StatusNoContent)
	c.told <- logins
}

// hears waits for everybody's logins, in parts that the contract allows.
func (c *fakeChat) hears(agents int) {
	c.t.Helper()
	known := map[string]bool{}
	for len(known) < agents {
		select {
		case logins := <-c.told:
			if len(logins) > 200 {
				c.t.Errorf("it is told of %d agents at once", len(logins))
			}
			for _, login := range logins {
				known[login] = true
			}
		case <-patient(c.t).Done():
			c.t.Fatalf("it was told of %d agents", len(known))
		}
	}
}

func TestChatElsewhereIsToldOfTheAgents(t *testing.T) {
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	chat := &fakeChat{t: t, tokens: tokens, told: make(chan []string, 100)}
	chat.state.Store(http.StatusInternalServerError)
	there := httptest.NewServer(chat)
	t.Cleanup(there.Close)
	url, _ := start(t, t.TempDir(), func(c *server.Config) {
		c.ChatURL = there.URL
		c.AgentsFile = agentsFile(t, 450)
	})

	says := func(want string) {
		t.Helper()
		ctx := patient(t)
		var a portaltest.Answer
		for !strings.Contains(string(a.Body), want) {
			if a, err = (&portaltest.Client{URL: url}).Do(ctx, http.MethodGet, "/readyz", nil); err != nil {
				t.Fatal(err)
			}
			portaltest.Pause(ctx)
		}
	}
	says("tell chat of the agents: it answers 500")
	chat.state.Store(http.StatusNoContent) // It was retried until it worked.
	chat.hears(450)
	chat.state.Store(http.StatusServiceUnavailable)
	says("chat: ready") // Its own words are passed on.
	chat.state.Store(http.StatusNoContent)
	chat.hears(450)
}

// TestAnAnnouncementReachesWhoWasNeverHere runs chat in the same process.
func TestAnAnnouncementReachesWhoWasNeverHere(t *testing.T) {
	url, _ := start(t, t.TempDir())
	ctx := patient(t)
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
			t.Errorf("announcing to %v answers %d %s, error %v", tt.audience, a.Status, a.Body, err)
		}
	}
	entries, _, err := portaltest.SignedIn(t, url, "danny.solid", "secret").Since(ctx, "2020-01-01T00:00:00Z")
	if err != nil || len(entries) != 1 || entries[0].Stream != "Own:danny.solid" || entries[0].Body != "Meeting at ten" {
		t.Errorf("danny reads %v, error %v", entries, err)
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
	hash := server.HashPassword("secret")
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
