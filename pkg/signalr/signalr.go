// Package signalr serves SignalR hubs to the official clients, unmodified. The package speaks the
// published hub protocol as the reference server does, over WebSockets, server-sent events and long
// polling.
//
// A client negotiates and takes the best transport available: a proxy on the way may block WebSockets.
// Negotiation keeps no state: the answer contains a signed connection token, and a WebSocket may then
// reach any node with the same Options.Key. Server-sent events and long polling need sticky sessions:
// each message of the client and each poll is a request of its own and must reach the node that has the
// connection. Behind a load balancer without sticky sessions, allow WebSockets alone with
// Options.Transports.
//
// Over server-sent events a client leaves by ending the request, and so does a broken network
// connection: both count as leaving. Over long polling the client sends a DELETE request; a client
// without a poll for Options.DisconnectTimeout is broken, and a client frozen during a poll is found
// once Options.PollTimeout has ended the poll.
//
// The ReadTimeout and WriteTimeout of an http.Server do not end long-lived requests. Set ReadTimeout:
// otherwise a request without the end of its body never ends.
//
// A hub sends no CORS headers: pages of another origin need a handler in front of the hub; see
// Options.AllowOrigin.
//
// Values are encoded by encoding/json, in MessagePack as well: a []byte arrives as base64 text, and a
// time.Time as RFC 3339.
//
// A Hub has methods that clients invoke: functions with results (Func0 …), without results (Action0 …),
// with a stream as result (Stream0 …), and with client streams among their parameters (Incoming). The
// hub sends to one client (Conn.Send), to all or some clients (Audience), or asks a client and waits
// (Call). Options identify clients and limit their cost; Hub.Drain and Hub.Wait end a hub so that its
// clients reconnect elsewhere.
//
// Besides the limits in Options, a connection has at most 32 streams, of both directions together; one
// more waits up to a second for the end of cancelled streams, and is then rejected with an error for
// the client. 16 invocations wait for their turn, or as many bytes of invocations as MaxMessage; 10
// items of a client stream wait for their method, or more as Incoming describes. Beyond these limits
// the hub stops reading from the client until there is room. A stream to the client continues while
// less than 64 KiB wait for the client. 128 requests of a client wait to be read; one more is answered
// with 429.
//
// The package promises: messages to a connection arrive in the order of sending and without a hole, or
// the connection ends; no client delays another client; and no input from a client ends the process.
// Long polling has an exception: once the network has accepted an answer, the arrival is unknown. A
// client dropping the poll at this moment and polling again misses the messages of the answer.
package signalr
