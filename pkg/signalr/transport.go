package signalr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Transport is a way to carry messages over HTTP, by its name in the protocol.
type Transport string

// The transports that there are.
const (
	WebSockets       Transport = "WebSockets"
	ServerSentEvents Transport = "ServerSentEvents"
	LongPolling      Transport = "LongPolling"
)

// everyTransport is offered unless Options say otherwise, best first.
var everyTransport = []Transport{WebSockets, ServerSentEvents, LongPolling}

// The protocols, as handshakes name them.
const (
	jsonProtocol    = "json"
	msgpackProtocol = "messagepack"
)

// formats are what a client of each protocol reads over the transport.
func (t Transport) formats() map[string]format {
	switch t {
	case ServerSentEvents:
		return map[string]format{jsonProtocol: jsonEvent}
	case LongPolling:
		return map[string]format{jsonProtocol: jsonPoll, msgpackProtocol: msgpackPoll}
	default:
		return map[string]format{jsonProtocol: jsonText, msgpackProtocol: msgpackBinary}
	}
}

// transferFormats are what negotiation calls what the transport can carry.
func (t Transport) transferFormats() []string {
	if t == ServerSentEvents {
		return []string{"Text"}
	}
	return []string{"Text", "Binary"}
}

// transportOf says what a GET request wants.
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

// needsPings says whether silence may break what is below. A poll comes to an
// end by itself, and its absence says that the client is gone.
func (t Transport) needsPings() bool { return t != LongPolling }

// carrier carries one connection over its transport. One goroutine reads and
// another one writes; all else is for any.
type carrier interface {
	// Read reads what the client sends; where it is cut means nothing.
	io.Reader
	// write writes a batch and waits until the client takes it. Each piece that
	// was taken is noted.
	write(batch [][]byte, took func(bytes int)) error
	// readBy has reading fail at a time, until begin.
	readBy(at time.Time)
	// begin is after the handshake, which has decided what comes.
	begin(f format)
	// heed is ctx that also ends when the client goes, with why, for a reader that
	// waits for something else than the client. What it has not read by then it never
	// will. A carrier that hears of that only by reading has no more to say than ctx.
	heed(ctx context.Context) (context.Context, context.CancelFunc)
	// expectEnd is after the last write: the client has so long to end reading.
	expectEnd(within time.Duration)
	// hangUp ends reading and writing now.
	hangUp()
}

// carry tells the connection what carries it, before it runs. Requests find it
// from now on.
func (c *Conn) carry(by carrier) {
	c.carrier = by
	c.records.source = by
	c.hub.tickets.seat(c.ticket, c)
}

// discard reads until the client has ended, or had to, and says how it did.
func (c *Conn) discard() error {
	scratch := make([]byte, firstBuffer)
	for {
		if _, err := c.carrier.Read(scratch); err != nil && !errors.Is(err, errKind) {
			return err
		}
	}
}

// pieceSize is how many bytes a client has WriteTimeout to read.
const pieceSize = 16 << 10

// inPieces writes a batch in pieces that are small enough to have a deadline
// each.
func inPieces(batch [][]byte, write func(piece []byte) (int, error), took func(bytes int)) error {
	for _, frames := range batch {
		for piece := range slices.Chunk(frames, pieceSize) {
			n, err := write(piece)
			took(n)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
