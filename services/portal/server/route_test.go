package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
)

func TestPathsAreRoutedToTheirService(t *testing.T) {
	remote := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s", name, r.Method, r.URL.RequestURI())
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	url, _ := start(t, t.TempDir(), func(c *server.Config) {
		c.PolicyURL, c.ChatURL = remote("policy"), remote("chat")
	})
	for request, want := range map[string]string{
		"GET /api/products?limit=1":                   "policy GET /api/products?limit=1",
		"POST /api/products/TRI/activation":           "policy POST /api/products/TRI/activation",
		"PUT /api/products/TRI/tariff":                "policy PUT /api/products/TRI/tariff",
		"POST /api/offers":                            "policy POST /api/offers",
		"POST /api/policies/P-1/termination":          "policy POST /api/policies/P-1/termination",
		"GET /api/messages/since?since=x":             "chat GET /api/messages/since?since=x",
		"GET /api/streams":                            "chat GET /api/streams",
		"GET /api/streams/Own%3Ajimmy%2F/entries":     "chat GET /api/streams/Own%3Ajimmy%2F/entries",
		"GET /api/agents":                             "chat GET /api/agents",
		"POST /api/notifications":                     "chat POST /api/notifications",
		"POST /hub/negotiate?negotiateVersion=1":      "chat POST /hub/negotiate?negotiateVersion=1",
		"GET /hub?access_token=x":                     "chat GET /hub?access_token=x",
		"GET /agentsChat?access_token=x":              "chat GET /agentsChat?access_token=x",
		"GET /docs":                                   "Parley contracts",
		"GET /docs/policy":                            "/docs/api/openapi/policy.yaml",
		"GET /docs/events":                            "PolicyCreated",
		"GET /docs/api/asyncapi/hubs.yaml":            "asyncapi: 3",
		"POST /api/session":                           "body-invalid",
		"GET /api/nothing":                            "not-found",
		"DELETE /api/streams/General/entries?before=": "chat DELETE /api/streams/General/entries?before=",
	} {
		method, path, _ := strings.Cut(request, " ")
		a, err := (&portaltest.Client{URL: url}).Do(deadline(t), method, path, nil)
		if err != nil || !strings.Contains(string(a.Body), want) {
			t.Errorf("%s: got %d %s, error %v, want %q", request, a.Status, a.Body, err, want)
		}
	}
}
