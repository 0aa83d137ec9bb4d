package auth

import (
	"cmp"
	"net/http"
	"strings"
)

// Verifier verifies a token and returns its identity, or ErrBadToken. *Secret is a
// Verifier.
type Verifier interface {
	Verify(token string) (Identity, error)
}

// Middleware requires a valid bearer token in the Authorization header and
// stores the agent's identity in the request's context. Requests without a valid
// token go to refuse.
func Middleware(v Verifier, refuse func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return middleware(v, bearerToken, refuse)
}

// HubMiddleware is like Middleware, and also accepts the token in the query
// parameter access_token, because browsers cannot set headers on a WebSocket.
// Query strings end up in logs and browser histories: use it for hub paths only.
func HubMiddleware(v Verifier, refuse func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return middleware(v, func(r *http.Request) string {
		return cmp.Or(bearerToken(r), r.URL.Query().Get("access_token"))
	}, refuse)
}

func middleware(
	v Verifier, tokenOf func(*http.Request) string, refuse func(http.ResponseWriter, *http.Request, error),
) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := tokenOf(r)
			if token == "" {
				refuse(w, r, ErrNoToken)
				return
			}
			id, err := v.Verify(token)
			if err != nil {
				refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), id)))
		})
	}
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
