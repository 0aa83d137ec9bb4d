package signalr_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

func TestRejectedHandshakeIsAnsweredOnEachTransport(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				connect := n.listen
				if via == signalr.LongPolling {
					connect = n.poll
				}
				c := connect(t, nil)
				c.send(`{"protocol":"smoke","version":1}` + sep)
				c.expect(`{"error":"The protocol 'smoke' is not supported."}`)
				c.expectEnd()

				silent := connect(t, nil)
				start := time.Now()
				silent.expect(`{"error":"Handshake was canceled."}`)
				silent.expectEnd()
				if got := time.Since(start); got != 15*time.Second {
					t.Errorf("disconnected after %s, want 15s", got)
				}
			})
		})
	}
}

func TestServerSentEventsRejectMessagePack(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.listen(t, nil)
		c.send(`{"protocol":"messagepack","version":1}` + sep)
		c.expect(`{"error":"Cannot use the 'messagepack' protocol on the current transport. ` +
			`The transport does not support 'Binary' transfer format."}`)
		c.expectEnd()
	})
}

func TestDisallowedTransportsAreNotServed(t *testing.T) {
	for _, allowed := range every {
		t.Run("only "+string(allowed), func(t *testing.T) {
			withRecorder(t, signalr.Options{Transports: []signalr.Transport{allowed}}, func(t *testing.T, d *recorder, n *network) {
				var offered []string
				for _, o := range n.negotiate(t, "?negotiateVersion=1", nil).AvailableTransports {
					offered = append(offered, fmt.Sprint(o["transport"]))
				}
				if diff := cmp.Diff([]string{string(allowed)}, offered); diff != "" {
					t.Errorf("transports (-want +got):\n%s", diff)
				}
				for via, header := range map[signalr.Transport]http.Header{
					signalr.WebSockets:       {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
					signalr.ServerSentEvents: accept(nil),
					signalr.LongPolling:      {},
				} {
					if via == allowed {
						continue
					}
					answer := n.request(t, http.MethodGet, "/hub?id="+n.token(t, nil), header)
					want := string(via) + " transport not supported by this end point type"
					if got := bodyOf(t, answer); answer.StatusCode != http.StatusNotFound || got != want {
						t.Errorf("%s: got %s %q", via, answer.Status, got)
					}
				}
				n.over(t, allowed, nil)
			})
		})
	}
}

func TestRequestOfAnotherUserIsRejected(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			serve(t, tokenHub, func(t *testing.T, h *signalr.Hub, n *network) {
				id := n.token(t, bearer("jim"))
				header := bearer("jim")
				if via == signalr.ServerSentEvents {
					header = accept(header)
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, header, "")
				if err != nil || answer.StatusCode != http.StatusOK {
					t.Fatalf("connect: %v, %v", answer, err)
				}
				defer func() { _ = answer.Body.Close() }()
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
					if answer := n.request(t, method, "/hub?id="+id, bearer("anna")); answer.StatusCode != http.StatusNotFound {
						t.Errorf("%s of another user: got %s", method, answer.Status)
					}
					if answer := n.request(t, method, "/hub?id="+id, nil); answer.StatusCode != http.StatusUnauthorized {
						t.Errorf("%s without a user: got %s", method, answer.Status)
					}
				}
				n.wantRefusal(t, id, "jim", http.StatusBadRequest) // for WebSockets
				if got := h.Connections(); got != 1 {
					t.Errorf("got %d connections, want 1", got)
				}
			})
		})
	}
}
