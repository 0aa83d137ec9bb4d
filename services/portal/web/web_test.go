package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.internal/portal/web"
)

func TestPageIsServedToBrowserNavigations(t *testing.T) {
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := map[string]struct {
		method, path, accept string
		status               int // 0 for the page, or the hint to build the app
	}{
		"the root":                 {path: "/", accept: page},
		"a page of the app":        {path: "/policies/7", accept: page},
		"a path with ..":           {path: "/../../etc/passwd", accept: page},
		"an unknown asset":         {path: "/assets/old.js", accept: "*/*", status: http.StatusNotFound},
		"no text/html accepted":    {path: "/metrics", accept: "text/plain", status: http.StatusNotFound},
		"a POST":                   {method: http.MethodPost, path: "/", accept: page, status: http.StatusMethodNotAllowed},
		"a hub path in other case": {method: http.MethodPost, path: "/agentschat/negotiate", status: http.StatusMethodNotAllowed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodGet
			}
			r := httptest.NewRequest(tt.method, "/", nil)
			r.URL.Path = tt.path
			r.Header.Set("Accept", tt.accept)
			w := httptest.NewRecorder()
			web.Handler().ServeHTTP(w, r)
			if tt.status != 0 {
				if w.Code != tt.status {
					t.Errorf("got status %d, want %d", w.Code, tt.status)
				}
				return
			}
			built := w.Code == http.StatusOK && strings.Contains(w.Body.String(), "<!doctype html>")
			unbuilt := w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "make build")
			if !built && !unbuilt {
				t.Errorf("got %d %s, want the page or the hint to build it", w.Code, w.Body)
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "connect-src 'self';") || !strings.Contains(policy, "default-src 'self'") {
				t.Errorf("got Content-Security-Policy %q", policy)
			}
		})
	}
}
