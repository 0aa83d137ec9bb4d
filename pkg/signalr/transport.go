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

// formats are the formats of a transport by protocol.
var formats = map[Transport]map[string]wire.Format{
	WebSockets:       {wire.JSON: wire.JSONWebSocket, wire.MessagePack: wire.MessagePackWebSocket},
	ServerSentEvents: {wire.JSON: wire.JSONServerSentEvents},
	LongPolling:      {wire.JSON: wire.JSONLongPolling, wire.MessagePack: wire.MessagePackLongPolling},
}

// available lists the allowed transports for the answer to negotiate, best first.
func available(allowed []Transport) (all []wire.AvailableTransport) {
	for _, t := range allTransports {
		transferFormats := []string{"Text", "Binary"}
		if t == ServerSentEvents {
			transferFormats = transferFormats[:1]
		}
		if slices.Contains(allowed, t) {
			all = append(all, wire.AvailableTransport{Transport: string(t), TransferFormats: transferFormats})
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
