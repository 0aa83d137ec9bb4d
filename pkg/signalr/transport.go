package signalr

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr/internal/wire"
)

// Transport is a way to carry messages over HTTP, by its name in the protocol.
type Transport string

// The transports.
const (
	WebSockets       Transport = "WebSockets"
	ServerSentEvents Transport = "ServerSentEvents"
	LongPolling      Transport = "LongPolling"
)

// allTransports is the default of Options.Transports, best first.
var allTransports = []Transport{WebSockets, ServerSentEvents, LongPolling}

// formats returns the formats of the transport by protocol.
func (t Transport) formats() map[string]wire.Format {
	switch t {
	case ServerSentEvents:
		return map[string]wire.Format{wire.JSON: wire.JSONServerSentEvents}
	case LongPolling:
		return map[string]wire.Format{wire.JSON: wire.JSONLongPolling, wire.MessagePack: wire.MessagePackLongPolling}
	default:
		return map[string]wire.Format{wire.JSON: wire.JSONWebSocket, wire.MessagePack: wire.MessagePackWebSocket}
	}
}

// transferFormats returns the transfer formats of the transport, by their names in negotiation.
func (t Transport) transferFormats() []string {
	if t == ServerSentEvents {
		return []string{"Text"}
	}
	return []string{"Text", "Binary"}
}

// available lists the allowed transports for the answer to negotiate, best first.
func available(allowed []Transport) (all []wire.AvailableTransport) {
	for _, t := range allTransports {
		if slices.Contains(allowed, t) {
			all = append(all, wire.AvailableTransport{Transport: string(t), TransferFormats: t.transferFormats()})
		}
	}
	return all
}

// transportOf returns the requested transport of a GET request.
func transportOf(r *http.Request) Transport {
	switch {
	case websocket.IsWebSocketUpgrade(r):
		return WebSockets
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return ServerSentEvents
	default:
		return LongPolling
	}
}

// needsPings reports whether a proxy may end a silent connection. A poll ends by itself, and a client
// without a poll has gone.
func (t Transport) needsPings() bool { return t != LongPolling }
