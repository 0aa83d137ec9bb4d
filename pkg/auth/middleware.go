package auth

import (
	"net/http"
	"strings"
)

// Verifier says who a token names, or ErrBadToken. *Secret is one.
type Verifier interface {
	Verify(token string) (Identity, error)
}

// Middleware lets in only requests with a valid token, which is looked for in
// the Authorization header, and calls refuse for the others. The handlers
// behind it find the agent in the request's context.
func Middleware(v Verifier, refuse func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return middleware(v, fromHeader, refuse)
}

// HubMiddleware is Middleware that takes the token from the query parameter
// access_token too: a browser cannot set a header on a WebSocket. A query ends
// up in logs and histories, so nothing but a hub's path may be behind it.
func HubMiddleware(v Verifier, refuse func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return middleware(v, func(r *http.Request) string {
		if token := fromHeader(r); token != "" {
			return token
		}
		return r.URL.Query().Get("access_token")
	}, refuse)
}

func middleware(
	v Verifier, find func(*http.Request) string, refuse func(http.ResponseWriter, *http.Request, error),
) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := find(r)
			if token == "" {
				refuse(w, r, ErrNoToken)
				return
			}
			who, err := v.Verify(token)
			if err != nil {
				refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), who)))
		})
	}
}

func fromHeader(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
