package session_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/contract/contracttest"
	"parley.internal/pkg/database"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
	"parley.internal/portal/session"
)

var secret = []byte(strings.Repeat("s", auth.MinSecret))

// serve starts a server of sessions for agents.
func serve(t *testing.T, agents *session.Agents) *httptest.Server {
	t.Helper()
	db, err := database.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	sessions, err := session.New(t.Context(), db, agents, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mux web.Mux
	sessions.Register(&mux)
	server := httptest.NewServer(&mux)
	t.Cleanup(server.Close)
	return server
}

func demo(t *testing.T) *session.Agents {
	t.Helper()
	agents, err := session.DemoAgents()
	if err != nil {
		t.Fatal(err)
	}
	return agents
}

// response is the response to any request: a grant or a problem.
type response struct {
	Token     string
	ExpiresAt time.Time
	Agent     auth.Agent
	Code      string
	Detail    string
	Errors    []fault.Field

	status  int
	header  http.Header
	cookies []*http.Cookie
}

// browser is a client with a cookie jar. It checks responses against the contract.
type browser struct {
	t      *testing.T
	url    string
	client http.Client
}

func open(t *testing.T, url string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := contract.Open(api.Files, "openapi/portal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, url: url, client: http.Client{
		Jar: jar, Transport: contracttest.Transport(t, operations, http.DefaultTransport),
	}}
}

func (b *browser) call(method, path, body string, header ...string) response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer got.Body.Close()
	out := response{status: got.StatusCode, header: got.Header, cookies: got.Cookies()}
	if got.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(got.Body).Decode(&out); err != nil {
			b.t.Fatalf("decode response to %s %s, status %d: %v", method, path, got.StatusCode, err)
		}
	}
	return out
}

func (b *browser) signIn(login, password string) response {
	b.t.Helper()
	return b.call(http.MethodPost, "/api/session", fmt.Sprintf(`{"login":%q,"password":%q}`, login, password))
}

func (b *browser) refresh() response {
	b.t.Helper()
	return b.call(http.MethodPost, "/api/session/refresh", "")
}

func TestSignInIssuesTokenAndCookie(t *testing.T) {
	url := serve(t, demo(t)).URL
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]struct {
		password string
		roles    []string
	}{
		"jimmy.solid": {"secret", []string{auth.Salesman}},
		"danny.solid": {"secret", []string{auth.Salesman}},
		"admin":       {"admin", []string{auth.Salesman, auth.Admin}},
	} {
		a := open(t, url).signIn(login, want.password)
		id, err := tokens.Verify(a.Token)
		if err != nil {
			t.Fatalf("%s: %v", login, err)
		}
		if diff := cmp.Diff(auth.Identity{Agent: a.Agent, Expires: a.ExpiresAt}, id, equalTimes); diff != "" {
			t.Errorf("identity in the token differs from the response (-response +token):\n%s", diff)
		}
		if diff := cmp.Diff(want.roles, a.Agent.Roles); diff != "" || a.Agent.Login != login || a.Agent.Avatar == "" {
			t.Errorf("got agent %+v, roles (-want +got):\n%s", a.Agent, diff)
		}
		if left := time.Until(a.ExpiresAt); left > 15*time.Minute || left < 14*time.Minute {
			t.Errorf("token expires in %s, want 15 min", left)
		}
		c := a.cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/api/session" {
			t.Errorf("got cookie %v, want HttpOnly, SameSite=Strict and path /api/session", c)
		}
	}
}

var equalTimes = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

func TestResponseHidesWhetherLoginExists(t *testing.T) {
	b := open(t, serve(t, demo(t)).URL)
	wrong, unknown := b.signIn("jimmy.solid", "wrong"), b.signIn("nobody", "secret")
	if wrong.status != http.StatusUnauthorized || unknown.status != http.StatusUnauthorized ||
		wrong.Detail != unknown.Detail || wrong.Code != unknown.Code {
		t.Errorf("got %d %s for a wrong password, %d %s for an unknown login", wrong.status, wrong.Detail, unknown.status, unknown.Detail)
	}
	if len(wrong.cookies)+len(unknown.cookies) > 0 || wrong.Token+unknown.Token != "" {
		t.Error("a failed sign-in returned a cookie or a token")
	}
}

func TestFailedSignInsLockTheLoginOut(t *testing.T) {
	b := open(t, serve(t, demo(t)).URL)
	for _, login := range []string{"jimmy.solid", "nobody"} {
		statuses := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 { // Parallel guesses gain nothing.
			wg.Go(func() {
				a := b.signIn(login, "wrong"+strconv.Itoa(i))
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
			})
		}
		wg.Wait()
		if statuses[http.StatusUnauthorized] > 7 || statuses[http.StatusTooManyRequests] < 13 {
			t.Errorf("%s: got statuses %v, want at most 7 unauthorized", login, statuses)
		}
		a := b.signIn(login, "secret")
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != http.StatusTooManyRequests ||
			err != nil || seconds < 1 || seconds > 30 {
			t.Errorf("%s: got status %d, Retry-After %q, want 429 and 1 to 30", login, a.status, a.header.Get("Retry-After"))
		}
	}
	if a := b.signIn("danny.solid", "secret"); a.status != http.StatusOK {
		t.Errorf("got status %d for another agent, want 200", a.status)
	}
}

func TestParallelSignInsSucceed(t *testing.T) {
	b := open(t, serve(t, demo(t)).URL)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := b.signIn("jimmy.solid", "secret"); a.status != http.StatusOK {
				t.Errorf("got status %d %s, want 200", a.status, a.Detail)
			}
		})
	}
	wg.Wait()
}

func TestSignOutRevokesTheSession(t *testing.T) {
	url := serve(t, demo(t)).URL
	b := open(t, url)
	if a := b.refresh(); a.status != http.StatusUnauthorized || a.Code != session.ErrNoSession.Code {
		t.Errorf("refresh before sign-in: got %d %s", a.status, a.Code)
	}
	first := b.signIn("jimmy.solid", "secret")
	again := b.refresh()
	if again.status != http.StatusOK || again.Agent.Login != "jimmy.solid" || again.Token == "" {
		t.Errorf("refresh: got %+v, want a token of jimmy.solid", again)
	}
	copied := first.cookies[0]
	for range 2 { // Signing out twice succeeds.
		if a := b.call(http.MethodDelete, "/api/session", ""); a.status != http.StatusNoContent {
			t.Errorf("sign-out: got status %d, want 204", a.status)
		}
	}
	if a := b.refresh(); a.status != http.StatusUnauthorized {
		t.Errorf("refresh after sign-out: got status %d, want 401", a.status)
	}
	a := open(t, url).call(http.MethodPost, "/api/session/refresh", "", "Cookie", copied.Name+"="+copied.Value)
	if a.status != http.StatusUnauthorized {
		t.Errorf("refresh with a copied cookie after sign-out: got status %d, want 401", a.status)
	}
}

func TestRefreshRejectsInvalidCookies(t *testing.T) {
	url := serve(t, demo(t)).URL
	a := open(t, url).signIn("jimmy.solid", "secret")
	good := a.cookies[0].Value
	for name, value := range map[string]string{
		"malformed": "x", "a token": a.Token, "a changed signature": good[:len(good)-4] + "AAAA",
	} {
		got := open(t, url).call(http.MethodPost, "/api/session/refresh", "", "Cookie", a.cookies[0].Name+"="+value)
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: got status %d, want 401", name, got.status)
		}
	}
}

func TestChangedPasswordEndsSessions(t *testing.T) {
	agents := func(password string) *session.Agents {
		a, err := session.ParseAgents(fmt.Appendf(nil,
			`{"agents":[{"login":"anna","name":"Anna","avatar":"/a.svg","roles":["SALESMAN"],"password":%q}]}`,
			session.HashPassword(password)))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := open(t, serve(t, agents("old")).URL).signIn("anna", "old")
	cookie := before.cookies[0]
	a := open(t, serve(t, agents("new")).URL).call(http.MethodPost, "/api/session/refresh", "",
		"Cookie", cookie.Name+"="+cookie.Value)
	if before.status != http.StatusOK || a.status != http.StatusUnauthorized {
		t.Errorf("sign-in: got status %d, refresh: %d, want 200 and 401", before.status, a.status)
	}
}

func TestForeignOriginsAreRefused(t *testing.T) {
	b := open(t, serve(t, demo(t)).URL)
	b.signIn("jimmy.solid", "secret")
	for _, tt := range [][2]string{
		{http.MethodPost, "/api/session"}, {http.MethodPost, "/api/session/refresh"}, {http.MethodDelete, "/api/session"},
	} {
		if a := b.call(tt[0], tt[1], "{}", "Origin", "https://evil.example"); a.status != http.StatusForbidden {
			t.Errorf("%s %s: got status %d, want 403", tt[0], tt[1], a.status)
		}
	}
	if a := b.refresh(); a.status != http.StatusOK {
		t.Errorf("refresh from the same origin: got status %d, want 200", a.status)
	}
}

func TestInvalidSignInsAreExplained(t *testing.T) {
	b := open(t, serve(t, demo(t)).URL)
	for name, tt := range map[string]struct {
		body   string
		status int
		code   string
		wrong  []string // pointers to the invalid fields
	}{
		"an empty body":   {body: "", status: 400, code: "body-invalid"},
		"broken JSON":     {body: `{"login":`, status: 400, code: "body-invalid"},
		"null":            {body: "null", status: 400, code: "request-invalid", wrong: []string{"#"}},
		"no password":     {body: `{"login":"jimmy.solid"}`, status: 400, code: "request-invalid", wrong: []string{"#/password"}},
		"an empty object": {body: `{}`, status: 400, code: "request-invalid", wrong: []string{"#/login", "#/password"}},
		"wrong types":     {body: `{"login":1,"password":""}`, status: 400, code: "request-invalid", wrong: []string{"#/login", "#/password"}},
		"a long password": {
			body:   `{"login":"jimmy.solid","password":"` + strings.Repeat("x", 1001) + `"}`,
			status: 400, code: "request-invalid", wrong: []string{"#/password"},
		},
		"a body over the limit": {body: `{"login":"` + strings.Repeat("x", web.MaxBody) + `"}`, status: 413, code: "body-too-large"},
		"a login in other case": {body: `{"login":"Jimmy.Solid","password":"secret"}`, status: 401, code: "credentials-wrong"},
		"SQL injection":         {body: `{"login":"' OR 1=1 --","password":"x"}`, status: 401, code: "credentials-wrong"},
	} {
		a := b.call(http.MethodPost, "/api/session", tt.body)
		var wrong []string
		for _, field := range a.Errors {
			wrong = append(wrong, field.Pointer)
		}
		slices.Sort(wrong)
		if a.status != tt.status || a.Code != tt.code || a.Detail == "" || !slices.Equal(wrong, tt.wrong) {
			t.Errorf("%s: got %d %s %s %v", name, a.status, a.Code, a.Detail, a.Errors)
		}
	}
	if a := b.call(http.MethodPost, "/api/session", "{}", "Content-Type", "text/plain"); a.status != 415 {
		t.Errorf("text/plain: got status %d, want 415", a.status)
	}
	if a := b.call(http.MethodGet, "/api/session", ""); a.status != 405 {
		t.Errorf("GET: got status %d, want 405", a.status)
	}
}

func TestParseAgentsRejectsInvalidFiles(t *testing.T) {
	hash := session.HashPassword("secret")
	agent := func(login, role, password string) string {
		return fmt.Sprintf(`{"login":%q,"name":"N","avatar":"/a.svg","roles":[%q],"password":%q}`, login, role, password)
	}
	anna := agent("anna", "SALESMAN", hash)
	for name, tt := range map[string]struct {
		file string
		err  string // part of the error; empty for a valid file
	}{
		"a valid file":           {`{"agents":[` + anna + `]}`, ""},
		"no agents":              {`{"agents":[]}`, "lists no agents"},
		"a duplicate login":      {`{"agents":[` + anna + "," + anna + `]}`, "duplicate login"},
		"a clear-text password":  {`{"agents":[` + agent("anna", "SALESMAN", "secret") + `]}`, "argon2id"},
		"an expensive hash":      {`{"agents":[` + agent("anna", "ADMIN", strings.Replace(hash, "m=19456", "m=99999999", 1)) + `]}`, "argon2id"},
		"an unknown role":        {`{"agents":[` + agent("anna", "BOSS", hash) + `]}`, "BOSS"},
		"a long login":           {`{"agents":[` + agent(strings.Repeat("x", 201), "ADMIN", hash) + `]}`, "at most 200"},
		"a login with a newline": {`{"agents":[` + agent("an\nna", "ADMIN", hash) + `]}`, "must be one line"},
		"a blank login":          {`{"agents":[` + agent(" ", "ADMIN", hash) + `]}`, "login"},
		"an unknown field":       {`{"agent":[]}`, "unknown field"},
		"not JSON":               {`login: anna`, "invalid character"},
	} {
		_, err := session.ParseAgents([]byte(tt.file))
		if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got error %v, want %q", name, err, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), hash) {
			t.Errorf("%s: the error discloses the password hash", name)
		}
	}
}
