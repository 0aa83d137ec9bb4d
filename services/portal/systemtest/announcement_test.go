package systemtest

import (
	"net/http"
	"slices"
	"testing"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

// TestAnnouncementReachesAgentBeforeFirstSignIn needs the portal to register its
// agents with chat in another process.
func TestAnnouncementReachesAgentBeforeFirstSignIn(t *testing.T) {
	c := newCompany(t, testenv.NewBroker(t))
	c.policyd.Start()
	c.chatd.Start()
	c.front.Start()
	ctx := deadline(t)
	admin := portaltest.SignedIn(t, c.front.URL(), "admin", "admin")
	for !slices.Contains(agents(t, admin), "danny.solid") {
		if ctx.Err() != nil {
			t.Fatal("danny was not registered with chat in time")
		}
		portaltest.Pause(ctx)
	}
	if known, want := agents(t, admin), []string{"admin", "danny.solid", "jimmy.solid"}; !slices.Equal(known, want) {
		t.Errorf("got agents %q, want %q", known, want)
	}
	announce := func(audience any, status int, code string) {
		t.Helper()
		a, err := admin.Do(ctx, http.MethodPost, "/api/notifications", map[string]any{"text": "Meeting at ten", "audience": audience})
		if err != nil || a.Status != status || a.Code() != code {
			t.Errorf("announcement to %v: got %d %s, error %v", audience, a.Status, a.Body, err)
		}
	}
	announce([]string{"danny.solid", "nobody"}, http.StatusNotFound, "agent-unknown")
	announce("danny.solid", http.StatusAccepted, "")
	c.signIn()
	if texts := c.feed(ctx, c.danny, "Own:danny.solid", 1); !slices.Equal(texts, []string{"Meeting at ten"}) {
		t.Errorf("danny: got notices %q, want the announcement", texts)
	}
	if texts := c.feed(ctx, c.jimmy, "Own:", 0); len(texts) > 0 {
		t.Errorf("jimmy: got notices %q, want none", texts)
	}
}

// agents returns the logins registered with chat.
func agents(t *testing.T, as *portaltest.Client) (logins []string) {
	t.Helper()
	var page struct{ Items []struct{ Login string } }
	a, err := as.Do(t.Context(), http.MethodGet, "/api/agents", nil)
	if err != nil || a.Status != http.StatusOK || a.Decode(&page) != nil {
		t.Fatalf("list agents: got %d %s, error %v", a.Status, a.Body, err)
	}
	for _, agent := range page.Items {
		logins = append(logins, agent.Login)
	}
	return logins
}
