package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.internal/portal/web"
)

func TestPagesAreForWhoCanShowThem(t *testing.T) {
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := map[string]struct {
		method, path, accept string
		refused              int // 0 for a page, if the app is built, or the word that it is not
	}{
		"the start":                 {path: "/", accept: page},
		"a page of the app":         {path: "/policies/7", accept: page},
		"a path that climbs":        {path: "/../../etc/passwd", accept: page},
		"an asset that is not":      {path: "/assets/old.js", accept: "*/*", refused: http.StatusNotFound},
		"what is no page":           {path: "/metrics", accept: "text/plain", refused: http.StatusNotFound},
		"a method that changes":     {method: http.MethodPost, path: "/", accept: page, refused: http.StatusMethodNotAllowed},
		"a hub in another spelling": {method: http.MethodPost, path: "/agentschat/negotiate", refused: http.StatusMethodNotAllowed},
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
			if tt.refused != 0 {
				if w.Code != tt.refused {
					t.Errorf("got %d", w.Code)
				}
				return
			}
			built := w.Code == http.StatusOK && strings.Contains(w.Body.String(), "<!doctype html>")
			unbuilt := w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "make build")
			if !built && !unbuilt {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "connect-src 'self';") || !strings.Contains(policy, "default-src 'self'") {
				t.Errorf("the page may do %q", policy)
			}
		})
	}
}
