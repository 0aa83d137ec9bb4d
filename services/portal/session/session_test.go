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
	"parley.internal/pkg/web"
	"parley.internal/portal/session"
)

var secret = []byte(strings.Repeat("s", auth.MinSecret))

// portal serves sessions for agents.
func portal(t *testing.T, agents *session.Agents) *httptest.Server {
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

// answer is what came back, whatever it was.
type answer struct {
	Token     string
	ExpiresAt time.Time
	Agent     auth.Agent
	Code      string
	Detail    string
	Errors    []web.Field

	status  int
	header  http.Header
	cookies []*http.Cookie
}

// browser is a client that keeps cookies.
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
	promised, err := contract.Open(api.Files, "openapi/portal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, url: url, client: http.Client{
		Jar: jar, Transport: contracttest.Transport(t, promised, http.DefaultTransport),
	}}
}

func (b *browser) call(method, path, body string, header ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header, cookies: response.Cookies()}
	if response.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
			b.t.Fatalf("%s %s answered %d: %v", method, path, response.StatusCode, err)
		}
	}
	return a
}

func (b *browser) signIn(login, password string) answer {
	b.t.Helper()
	return b.call(http.MethodPost, "/api/session", fmt.Sprintf(`{"login":%q,"password":%q}`, login, password))
}

func (b *browser) refresh() answer {
	b.t.Helper()
	return b.call(http.MethodPost, "/api/session/refresh", "")
}

func TestSignIn(t *testing.T) {
	url := portal(t, demo(t)).URL
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
		who, err := tokens.Verify(a.Token)
		if err != nil {
			t.Fatalf("%s: %v", login, err)
		}
		if diff := cmp.Diff(auth.Identity{Agent: a.Agent, Expires: a.ExpiresAt}, who, equalTimes); diff != "" {
			t.Errorf("the token and the answer differ:\n%s", diff)
		}
		if diff := cmp.Diff(want.roles, a.Agent.Roles); diff != "" || a.Agent.Login != login || a.Agent.Avatar == "" {
			t.Errorf("%+v, roles:\n%s", a.Agent, diff)
		}
		if left := time.Until(a.ExpiresAt); left > 15*time.Minute || left < 14*time.Minute {
			t.Errorf("the token lives %s", left)
		}
		c := a.cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/api/session" {
			t.Errorf("the cookie is %v", c)
		}
	}
}

var equalTimes = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

func TestAWrongPasswordAndAnUnknownLoginAnswerAlike(t *testing.T) {
	b := open(t, portal(t, demo(t)).URL)
	wrong, unknown := b.signIn("jimmy.solid", "wrong"), b.signIn("nobody", "secret")
	if wrong.status != http.StatusUnauthorized || unknown.status != http.StatusUnauthorized ||
		wrong.Detail != unknown.Detail || wrong.Code != unknown.Code {
		t.Errorf("%d %s and %d %s", wrong.status, wrong.Detail, unknown.status, unknown.Detail)
	}
	if len(wrong.cookies)+len(unknown.cookies) > 0 || wrong.Token+unknown.Token != "" {
		t.Error("a refusal gave something away")
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	b := open(t, portal(t, demo(t)).URL)
	for _, login := range []string{"jimmy.solid", "nobody"} {
		statuses := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 { // At once: no further than one by one.
			wg.Go(func() {
				a := b.signIn(login, "wrong"+strconv.Itoa(i))
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
			})
		}
		wg.Wait()
		if statuses[http.StatusUnauthorized] > 7 || statuses[http.StatusTooManyRequests] < 13 {
			t.Errorf("%s: the statuses were %v", login, statuses)
		}
		a := b.signIn(login, "secret")
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != http.StatusTooManyRequests ||
			err != nil || seconds < 1 || seconds > 30 {
			t.Errorf("%s: %d, Retry-After %q", login, a.status, a.header.Get("Retry-After"))
		}
	}
	if a := b.signIn("danny.solid", "secret"); a.status != http.StatusOK {
		t.Errorf("another agent got %d", a.status)
	}
}

func TestManyMaySignInAtOnce(t *testing.T) {
	b := open(t, portal(t, demo(t)).URL)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := b.signIn("jimmy.solid", "secret"); a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.Detail)
			}
		})
	}
	wg.Wait()
}

func TestASessionIsRefreshedUntilItEnds(t *testing.T) {
	url := portal(t, demo(t)).URL
	b := open(t, url)
	if a := b.refresh(); a.status != http.StatusUnauthorized || a.Code != session.ErrNoSession.Code {
		t.Errorf("before sign-in: %d %s", a.status, a.Code)
	}
	first := b.signIn("jimmy.solid", "secret")
	again := b.refresh()
	if again.status != http.StatusOK || again.Agent.Login != "jimmy.solid" || again.Token == "" {
		t.Errorf("got %+v", again)
	}
	stolen := first.cookies[0]
	for range 2 { // The second time there is nothing to end.
		if a := b.call(http.MethodDelete, "/api/session", ""); a.status != http.StatusNoContent {
			t.Errorf("sign-out answers %d", a.status)
		}
	}
	if a := b.refresh(); a.status != http.StatusUnauthorized {
		t.Errorf("after sign-out: %d", a.status)
	}
	a := open(t, url).call(http.MethodPost, "/api/session/refresh", "", "Cookie", stolen.Name+"="+stolen.Value)
	if a.status != http.StatusUnauthorized {
		t.Errorf("a copy of the cookie outlives the sign-out: %d", a.status)
	}
}

func TestRefreshRefuses(t *testing.T) {
	url := portal(t, demo(t)).URL
	a := open(t, url).signIn("jimmy.solid", "secret")
	good := a.cookies[0].Value
	for name, value := range map[string]string{
		"what is no cookie": "x", "a token": a.Token, "a changed one": good[:len(good)-4] + "AAAA",
	} {
		got := open(t, url).call(http.MethodPost, "/api/session/refresh", "", "Cookie", a.cookies[0].Name+"="+value)
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

func TestAChangedPasswordEndsItsSessions(t *testing.T) {
	agents := func(password string) *session.Agents {
		a, err := session.ParseAgents(fmt.Appendf(nil,
			`{"agents":[{"login":"anna","name":"Anna","avatar":"/a.svg","roles":["SALESMAN"],"password":%q}]}`,
			session.HashPassword(password)))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := open(t, portal(t, agents("old")).URL).signIn("anna", "old")
	cookie := before.cookies[0]
	a := open(t, portal(t, agents("new")).URL).call(http.MethodPost, "/api/session/refresh", "",
		"Cookie", cookie.Name+"="+cookie.Value)
	if before.status != http.StatusOK || a.status != http.StatusUnauthorized {
		t.Errorf("signed in with %d, refreshed with %d", before.status, a.status)
	}
}

func TestForeignPagesMayNotUseSessions(t *testing.T) {
	b := open(t, portal(t, demo(t)).URL)
	b.signIn("jimmy.solid", "secret")
	for _, tt := range [][2]string{
		{http.MethodPost, "/api/session"}, {http.MethodPost, "/api/session/refresh"}, {http.MethodDelete, "/api/session"},
	} {
		if a := b.call(tt[0], tt[1], "{}", "Origin", "https://evil.example"); a.status != http.StatusForbidden {
			t.Errorf("%s %s: %d", tt[0], tt[1], a.status)
		}
	}
	if a := b.refresh(); a.status != http.StatusOK {
		t.Errorf("the session did not survive it: %d", a.status)
	}
}

func TestBadSignInsAreRefusedClearly(t *testing.T) {
	b := open(t, portal(t, demo(t)).URL)
	for name, tt := range map[string]struct {
		body   string
		status int
		code   string
		wrong  []string // where
	}{
		"nothing":               {body: "", status: 400, code: "body-invalid"},
		"broken JSON":           {body: `{"login":`, status: 400, code: "body-invalid"},
		"null":                  {body: "null", status: 400, code: "request-invalid", wrong: []string{"#"}},
		"no password":           {body: `{"login":"jimmy.solid"}`, status: 400, code: "request-invalid", wrong: []string{"#/password"}},
		"neither":               {body: `{}`, status: 400, code: "request-invalid", wrong: []string{"#/login", "#/password"}},
		"a number, and a blank": {body: `{"login":1,"password":""}`, status: 400, code: "request-invalid", wrong: []string{"#/login", "#/password"}},
		"a password of a book": {
			body:   `{"login":"jimmy.solid","password":"` + strings.Repeat("x", 1001) + `"}`,
			status: 400, code: "request-invalid", wrong: []string{"#/password"},
		},
		"a body beyond measure": {body: `{"login":"` + strings.Repeat("x", web.MaxBody) + `"}`, status: 413, code: "body-too-large"},
		"another case":          {body: `{"login":"Jimmy.Solid","password":"secret"}`, status: 401, code: "credentials-wrong"},
		"SQL":                   {body: `{"login":"' OR 1=1 --","password":"x"}`, status: 401, code: "credentials-wrong"},
	} {
		a := b.call(http.MethodPost, "/api/session", tt.body)
		var wrong []string
		for _, field := range a.Errors {
			wrong = append(wrong, field.Pointer)
		}
		slices.Sort(wrong)
		if a.status != tt.status || a.Code != tt.code || a.Detail == "" || !slices.Equal(wrong, tt.wrong) {
			t.Errorf("%s: %d %s %s %v", name, a.status, a.Code, a.Detail, a.Errors)
		}
	}
	if a := b.call(http.MethodPost, "/api/session", "{}", "Content-Type", "text/plain"); a.status != 415 {
		t.Errorf("a form: %d", a.status)
	}
	if a := b.call(http.MethodGet, "/api/session", ""); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
}

func TestAnAgentsFileIsReadStrictly(t *testing.T) {
	hash := session.HashPassword("secret")
	agent := func(login, role, password string) string {
		return fmt.Sprintf(`{"login":%q,"name":"N","avatar":"/a.svg","roles":[%q],"password":%q}`, login, role, password)
	}
	anna := agent("anna", "SALESMAN", hash)
	for name, tt := range map[string]struct {
		file string
		says string // "" if it is fine
	}{
		"a good one":               {`{"agents":[` + anna + `]}`, ""},
		"no agent":                 {`{"agents":[]}`, "names none"},
		"the same one twice":       {`{"agents":[` + anna + "," + anna + `]}`, "twice"},
		"a password in clear text": {`{"agents":[` + agent("anna", "SALESMAN", "secret") + `]}`, "argon2id"},
		"a hash that costs a lot":  {`{"agents":[` + agent("anna", "ADMIN", strings.Replace(hash, "m=19456", "m=99999999", 1)) + `]}`, "argon2id"},
		"a role that is none":      {`{"agents":[` + agent("anna", "BOSS", hash) + `]}`, "BOSS"},
		"a login without an end":   {`{"agents":[` + agent(strings.Repeat("x", 201), "ADMIN", hash) + `]}`, "200 characters"},
		"a login of two lines":     {`{"agents":[` + agent("an\nna", "ADMIN", hash) + `]}`, "line of text"},
		"a blank login":            {`{"agents":[` + agent(" ", "ADMIN", hash) + `]}`, "login"},
		"a misspelt field":         {`{"agent":[]}`, "unknown field"},
		"no JSON":                  {`login: anna`, "invalid character"},
	} {
		_, err := session.ParseAgents([]byte(tt.file))
		if (err == nil) != (tt.says == "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), hash) {
			t.Errorf("%s: the error tells the hash", name)
		}
	}
}
