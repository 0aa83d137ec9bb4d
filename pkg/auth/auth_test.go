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

func TestATokenNamesItsAgent(t *testing.T) {
	expires := time.Now().Add(time.Minute).Truncate(time.Second)
	who, err := secret(t).Verify(issue(t, expires))
	if diff := cmp.Diff(auth.Identity{Agent: jimmy, Expires: expires}, who); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestVerifyRefuses(t *testing.T) {
	soon := time.Now().Add(time.Minute).Unix()
	good := jwt.MapClaims{"sub": "jimmy.solid", "exp": soon}
	valid := issue(t, time.Now().Add(time.Minute))
	tests := map[string]string{
		"nothing":               "",
		"what is no token":      "a.b.c",
		"an expired one":        issue(t, time.Now().Add(-time.Second)),
		"another's signature":   sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good),
		"no signature":          sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"another algorithm":     sign(t, jwt.SigningMethodHS512, key, good),
		"one without an end":    sign(t, jwt.SigningMethodHS256, key, jwt.MapClaims{"sub": "jimmy.solid"}),
		"one without a subject": sign(t, jwt.SigningMethodHS256, key, jwt.MapClaims{"exp": soon}),
		"a changed one":         valid[:len(valid)-4] + "AAAA",
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			if who, err := secret(t).Verify(token); !errors.Is(err, auth.ErrBadToken) {
				t.Errorf("got %v, error %v", who, err)
			}
		})
	}
}

func TestAShortSecretIsRefused(t *testing.T) {
	if _, err := auth.NewSecret(key[1:]); err == nil {
		t.Error("31 bytes were accepted")
	}
}

func TestOnlyAHubTakesTheTokenFromTheQuery(t *testing.T) {
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
		"the header":       {request: header("Bearer " + token), rest: true, hub: true},
		"any case of it":   {request: header("bearer " + token), rest: true, hub: true},
		"the query":        {request: query, hub: true},
		"another scheme":   {request: header("Basic " + token)},
		"nothing":          {request: httptest.NewRequest(http.MethodGet, "/", nil)},
		"a broken token":   {request: header("Bearer x" + token)},
		"an empty header":  {request: header("")},
		"the scheme alone": {request: header("Bearer")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			let := func(middleware func(http.Handler) http.Handler) (in bool) {
				middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					agent, err := auth.Require(r.Context(), auth.Salesman, auth.Admin)
					in = err == nil && agent.Login == jimmy.Login
				})).ServeHTTP(httptest.NewRecorder(), tt.request)
				return in
			}
			refuse := func(http.ResponseWriter, *http.Request, error) {}
			if in := let(auth.Middleware(secret(t), refuse)); in != tt.rest {
				t.Errorf("REST let it in: %t, want %t", in, tt.rest)
			}
			if in := let(auth.HubMiddleware(secret(t), refuse)); in != tt.hub {
				t.Errorf("the hub let it in: %t, want %t", in, tt.hub)
			}
		})
	}
}

func TestARoleIsRequired(t *testing.T) {
	ctx := auth.NewContext(t.Context(), auth.Identity{Agent: jimmy})
	if _, err := auth.Require(ctx, auth.Admin); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("got error %v for a salesman", err)
	}
	if _, err := auth.Require(t.Context(), auth.Salesman); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("got error %v for nobody", err)
	}
}
