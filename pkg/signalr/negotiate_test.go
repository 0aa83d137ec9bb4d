package signalr_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

type negotiated struct {
	NegotiateVersion    *int
	ConnectionID        string
	ConnectionToken     string
	AvailableTransports []map[string]any
	Error               string
}

func (n *network) negotiate(t *testing.T, query string, header http.Header) negotiated {
	t.Helper()
	answer := n.request(t, http.MethodPost, "/hub/negotiate"+query, header)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("negotiate answered %s", answer.Status)
	}
	var got negotiated
	if err := json.Unmarshal([]byte(bodyOf(t, answer)), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// tokenHub returns a hub that knows the tokens of jim and anna.
func tokenHub() *signalr.Hub {
	h := signalr.New(signalr.Options{Logger: quiet, Identify: func(r *http.Request) (signalr.Identity, error) {
		switch r.Header.Get("Authorization") {
		case "Bearer jim":
			return signalr.Identity{User: "jim", Value: 7}, nil
		case "Bearer anna":
			return signalr.Identity{User: "anna"}, nil
		case "Bearer old":
			return signalr.Identity{User: "jim", Expires: time.Now()}, nil
		default:
			return signalr.Identity{}, errors.New("no token")
		}
	}})
	return h
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func TestNegotiateAnswersInTheClientsVersion(t *testing.T) {
	one := 1
	transports := []map[string]any{
		{"transport": "WebSockets", "transferFormats": []any{"Text", "Binary"}},
		{"transport": "ServerSentEvents", "transferFormats": []any{"Text"}},
		{"transport": "LongPolling", "transferFormats": []any{"Text", "Binary"}},
	}
	rejected := func(v string) negotiated {
		return negotiated{Error: "The client requested version '" + v + "', but the server does not support this version."}
	}
	notANumber := negotiated{Error: "The client requested a non-integer protocol version."}
	tests := map[string]struct {
		query string
		want  negotiated
	}{
		"no version is version 0":            {query: "", want: negotiated{AvailableTransports: transports}},
		"version 0":                          {query: "?negotiateVersion=0", want: negotiated{AvailableTransports: transports}},
		"version 1":                          {query: "?negotiateVersion=1", want: negotiated{NegotiateVersion: &one, AvailableTransports: transports}},
		"a newer version is answered with 1": {query: "?negotiateVersion=9&useStatefulReconnect=true", want: negotiated{NegotiateVersion: &one, AvailableTransports: transports}},
		"a version without a number":         {query: "?negotiateVersion=x", want: notANumber},
		"an empty version":                   {query: "?negotiateVersion=", want: notANumber},
		"a version out of range":             {query: "?negotiateVersion=99999999999", want: notANumber},
		"a version before the first":         {query: "?negotiateVersion=-1", want: rejected("-1")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, methodHub, func(t *testing.T, _ *signalr.Hub, n *network) {
				got := n.negotiate(t, tt.query, nil)
				if got.Error == "" && got.ConnectionID == "" {
					t.Error("got no connection id")
				}
				if got.NegotiateVersion != nil && (got.ConnectionToken == "" || got.ConnectionToken == got.ConnectionID) {
					t.Errorf("got token %q for id %q, want a secret token", got.ConnectionToken, got.ConnectionID)
				}
				got.ConnectionID, got.ConnectionToken = "", ""
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRequestsAreRejectedBeforeTheUpgrade(t *testing.T) {
	upgrade := func(h http.Header) http.Header {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		h.Set("Sec-WebSocket-Version", "13")
		h.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		return h
	}
	from := func(origin string) http.Header {
		h := bearer("jim")
		h.Set("Origin", origin)
		return h
	}
	tests := map[string]struct {
		method, path string
		header       http.Header
		status       int
		body         string
		allow        string
	}{
		"negotiate without a token":       {method: "POST", path: "/hub/negotiate", header: http.Header{}, status: 401, body: "Unauthorized"},
		"negotiate with an expired token": {method: "POST", path: "/hub/negotiate", header: bearer("old"), status: 401, body: "Unauthorized"},
		"negotiate from a foreign page":   {method: "POST", path: "/hub/negotiate", header: from("http://evil.test"), status: 403, body: "Origin not allowed"},
		"negotiate from origin null":      {method: "POST", path: "/hub/negotiate", header: from("null"), status: 403, body: "Origin not allowed"},
		"negotiate with GET":              {method: "GET", path: "/hub/negotiate", header: bearer("jim"), status: 405, body: "Method Not Allowed", allow: "POST"},
		"negotiate with OPTIONS":          {method: "OPTIONS", path: "/hub/negotiate", header: bearer("jim"), status: 405, body: "Method Not Allowed", allow: "POST"},
		"connect without a token":         {method: "GET", path: "/hub", header: upgrade(http.Header{}), status: 401, body: "Unauthorized"},
		"connect from a foreign page":     {method: "GET", path: "/hub", header: upgrade(from("https://hub.test.evil.test")), status: 403, body: "Origin not allowed"},
		"connect from another port":       {method: "GET", path: "/hub", header: upgrade(from("http://hub.test:81")), status: 403, body: "Origin not allowed"},
		"connect with an unknown id":      {method: "GET", path: "/hub?id=nope", header: upgrade(bearer("jim")), status: 404, body: "No Connection with that ID"},
		"connect with PUT":                {method: "PUT", path: "/hub", header: bearer("jim"), status: 405, body: "Method Not Allowed", allow: "DELETE, GET, POST"},
		"a plain GET":                     {method: "GET", path: "/hub", header: bearer("jim"), status: 400, body: "Connection ID required"},
		"a plain GET with an unknown id":  {method: "GET", path: "/hub?id=nope", header: bearer("jim"), status: 404, body: "No Connection with that ID"},
		"a plain POST":                    {method: "POST", path: "/hub", header: bearer("jim"), status: 400, body: "Connection ID required"},
		"a POST with an unknown id":       {method: "POST", path: "/hub?id=nope", header: bearer("jim"), status: 404, body: "No Connection with that ID"},
		"a DELETE with an unknown id":     {method: "DELETE", path: "/hub?id=nope", header: bearer("jim"), status: 404, body: "No Connection with that ID"},
		"an id outside base64":            {method: "GET", path: "/hub?id=%00%ff", header: upgrade(bearer("jim")), status: 404, body: "No Connection with that ID"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, tokenHub, func(t *testing.T, h *signalr.Hub, n *network) {
				answer := n.request(t, tt.method, tt.path, tt.header)
				if answer.StatusCode != tt.status {
					t.Errorf("got status %s, want %d", answer.Status, tt.status)
				}
				if got := bodyOf(t, answer); got != tt.body {
					t.Errorf("got body %q, want %q", got, tt.body)
				}
				if got := answer.Header.Get("Allow"); got != tt.allow {
					t.Errorf("got Allow %q, want %q", got, tt.allow)
				}
				if got := answer.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("got Cache-Control %q, want no-store", got)
				}
				if got := h.Connections(); got != 0 {
					t.Errorf("got %d connections, want 0", got)
				}
			})
		})
	}
}

func TestInvalidUpgradeIsABadRequest(t *testing.T) {
	serve(t, methodHub, func(t *testing.T, h *signalr.Hub, n *network) {
		answer := n.request(t, http.MethodGet, "/hub", http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"12"},
		})
		if answer.StatusCode != http.StatusBadRequest || h.Connections() != 0 {
			t.Errorf("got %s and %d connections, want 400 and none", answer.Status, h.Connections())
		}
	})
}

func TestTokenIsForOneConnectionOfOneUser(t *testing.T) {
	for name, query := range map[string]string{"version 0": "", "version 1": "?negotiateVersion=1"} {
		t.Run(name, func(t *testing.T) {
			serve(t, tokenHub, func(t *testing.T, h *signalr.Hub, n *network) {
				got := n.negotiate(t, query, bearer("jim"))
				id := got.ConnectionToken
				if query == "" {
					id = got.ConnectionID
				}
				n.wantRefusal(t, id, "anna", http.StatusNotFound)

				ws := n.connect(t, id, "jim")
				n.wantRefusal(t, id, "jim", http.StatusConflict)
				n.wantRefusal(t, id, "anna", http.StatusNotFound)
				for method, status := range map[string]int{
					"POST": http.StatusMethodNotAllowed, "DELETE": http.StatusBadRequest, "GET": http.StatusBadRequest,
				} {
					if answer := n.request(t, method, "/hub?id="+id, bearer("jim")); answer.StatusCode != status {
						t.Errorf("%s: got %s, want %d", method, answer.Status, status)
					}
				}

				_ = ws.Close()
				if err := h.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				n.wantRefusal(t, id, "jim", http.StatusNotFound)
				pass(2 * time.Minute)
				n.wantRefusal(t, id, "jim", http.StatusNotFound)
			})
		})
	}
}

func TestTokenExpires(t *testing.T) {
	serve(t, tokenHub, func(t *testing.T, _ *signalr.Hub, n *network) {
		id := n.negotiate(t, "?negotiateVersion=1", bearer("jim")).ConnectionToken
		pass(time.Minute)
		n.wantRefusal(t, id, "jim", http.StatusNotFound)
	})
}

func TestClientMaySkipNegotiation(t *testing.T) {
	serve(t, tokenHub, func(t *testing.T, h *signalr.Hub, n *network) {
		c := n.handshaken(t, bearer("jim"))
		if got := h.Connections(); got != 1 {
			t.Errorf("got %d connections, want 1", got)
		}
		c.leave(websocket.CloseNormalClosure)
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	hub := func() *signalr.Hub { return signalr.New(signalr.Options{Logger: quiet, MaxConnections: 1}) }
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.handshaken(t, nil)
		n.wantRefusal(t, "", "", http.StatusServiceUnavailable)
		if answer := n.request(t, "POST", "/hub/negotiate", nil); answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("negotiate answered %s, want 503", answer.Status)
		}
		c.leave(websocket.CloseNormalClosure)
		synctest.Wait()
		n.handshaken(t, nil)
	})
}

func (n *network) connect(t *testing.T, id, user string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: n.dial}
	ws, answer, err := dialer.DialContext(t.Context(), "ws://hub.test/hub?id="+id, bearer(user))
	if err != nil {
		t.Fatalf("connect: %v (%v)", err, answer)
	}
	return ws
}

func (n *network) wantRefusal(t *testing.T, id, user string, status int) {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: n.dial}
	_, answer, err := dialer.DialContext(t.Context(), "ws://hub.test/hub?id="+id, bearer(user))
	if err == nil || answer == nil || answer.StatusCode != status {
		t.Errorf("connect: got %v (%v), want status %d", answer, err, status)
	}
}
