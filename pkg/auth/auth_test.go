package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/auth"
)

var (
	key   = []byte(strings.Repeat("k", auth.MinSecret))
	jimmy = auth.Agent{Login: "jimmy.solid", Name: "Jimmy Solid", Avatar: "/a.svg", Roles: []string{auth.Salesman}}
)

func secret(t *testing.T) *auth.Secret {
	t.Helper()
	s, err := auth.NewSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func issue(t *testing.T, expires time.Time) string {
	t.Helper()
	token, err := secret(t).Issue(jimmy, time.Now(), expires)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenCarriesItsAgent(t *testing.T) {
	expires := time.Now().Add(time.Minute).Truncate(time.Second)
	id, err := secret(t).Verify(issue(t, expires))
	if diff := cmp.Diff(auth.Identity{Agent: jimmy, Expires: expires}, id); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestVerifyRejectsInvalidTokens(t *testing.T) {
	soon := time.Now().Add(time.Minute).Unix()
	good := jwt.MapClaims{"sub": "jimmy.solid", "exp": soon}
	valid := issue(t, time.Now().Add(time.Minute))
	tests := map[string]string{
		"an empty token":      "",
		"a malformed token":   "a.b.c",
		"an expired token":    issue(t, time.Now().Add(-time.Second)),
		"another key":         sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good),
		"no signature":        sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"another algorithm":   sign(t, jwt.SigningMethodHS512, key, good),
		"no expiry":           sign(t, jwt.SigningMethodHS256, key, jwt.MapClaims{"sub": "jimmy.solid"}),
		"no subject":          sign(t, jwt.SigningMethodHS256, key, jwt.MapClaims{"exp": soon}),
		"a changed signature": valid[:len(valid)-4] + "AAAA",
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			if id, err := secret(t).Verify(token); !errors.Is(err, auth.ErrBadToken) {
				t.Errorf("got identity %v, error %v, want ErrBadToken", id, err)
			}
		})
	}
}

func TestNewSecretRejectsShortKey(t *testing.T) {
	if _, err := auth.NewSecret(key[1:]); err == nil {
		t.Error("NewSecret accepted 31 bytes")
	}
}

func TestOnlyHubsAcceptTokenInQuery(t *testing.T) {
	token := issue(t, time.Now().Add(time.Minute))
	header := func(value string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", value)
		return r
	}
	query := httptest.NewRequest(http.MethodGet, "/?access_token="+token, nil)
	tests := map[string]struct {
		request   *http.Request
		rest, hub bool
	}{
		"the header":                {request: header("Bearer " + token), rest: true, hub: true},
		"a lower-case scheme":       {request: header("bearer " + token), rest: true, hub: true},
		"the query":                 {request: query, hub: true},
		"another scheme":            {request: header("Basic " + token)},
		"no token":                  {request: httptest.NewRequest(http.MethodGet, "/", nil)},
		"an invalid token":          {request: header("Bearer x" + token)},
		"an empty header":           {request: header("")},
		"no token after the scheme": {request: header("Bearer")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			accepts := func(middleware func(http.Handler) http.Handler) (in bool) {
				middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					agent, err := auth.Require(r.Context(), auth.Salesman, auth.Admin)
					in = err == nil && agent.Login == jimmy.Login
				})).ServeHTTP(httptest.NewRecorder(), tt.request)
				return in
			}
			refuse := func(http.ResponseWriter, *http.Request, error) {}
			if in := accepts(auth.Middleware(secret(t), refuse)); in != tt.rest {
				t.Errorf("REST accepted the request: %t, want %t", in, tt.rest)
			}
			if in := accepts(auth.HubMiddleware(secret(t), refuse)); in != tt.hub {
				t.Errorf("the hub accepted the request: %t, want %t", in, tt.hub)
			}
		})
	}
}

func TestRequireChecksRoles(t *testing.T) {
	ctx := auth.NewContext(t.Context(), auth.Identity{Agent: jimmy})
	if _, err := auth.Require(ctx, auth.Admin); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("got error %v for a salesman, want ErrForbidden", err)
	}
	if agent, err := auth.Require(ctx); err != nil || agent.Login != jimmy.Login {
		t.Errorf("got agent %s and error %v without roles, want %s", agent.Login, err, jimmy.Login)
	}
	if _, err := auth.Require(t.Context()); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("got error %v without roles and identity, want ErrNoToken", err)
	}
	if _, err := auth.Require(t.Context(), auth.Salesman); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("got error %v without identity, want ErrNoToken", err)
	}
}
