// Package signalrtest drives the official SignalR clients from a Go test,
// unmodified: each Client is a Node process of its own, or a page of a Browser.
//
//	client := signalrtest.Start(t, signalrtest.Microsoft, server.URL+"/hub", token, signalrtest.Options{})
//	err := client.On(ctx, "ReceiveMessage")
//	err = client.Connect(ctx)
//	err = client.Invoke(ctx, nil, "SendMessage", "hello")
//	event, err := client.WaitFor(ctx, signalrtest.CallOf("ReceiveMessage"))
//	fmt.Println(event) // ReceiveMessage("hello")
//
// A machine without Node, Chromium or the clients fails the test and is told what
// to install; nothing is skipped.
package signalrtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Package names an official client.
type Package string

// The clients that have to work.
const (
	Microsoft Package = "@microsoft/signalr"
	AspNet    Package = "@aspnet/signalr" // 1.1, before automatic reconnecting
)

// Options of a client. The zero value runs in Node, negotiates and does not
// reconnect.
type Options struct {
	Browser         *Browser // nil: in Node
	SkipNegotiation bool
	MessagePack     bool // instead of JSON; not with AspNet

	// TokenPerRequest has each request send the token of SetToken. AspNet always
	// does; Microsoft asks for one only when it connects.
	TokenPerRequest bool

	// Transport is the only one that the client uses: WebSockets, ServerSentEvents
	// or LongPolling. None: the best that works.
	Transport string

	// Reconnect is how long to wait before each attempt to come back; none: the
	// client stays away. AspNet cannot reconnect.
	Reconnect []time.Duration
}

// Events that a client tells of.
const (
	Call         = "call"         // the server called Target with Args
	Closed       = "closed"       // the connection is over, because of Error if there is one
	Reconnecting = "reconnecting" // it was lost, because of Error if there is one
	Reconnected  = "reconnected"
	Noise        = "noise" // the client printed something: Error
)

// Event is something that happened at a client.
type Event struct {
	Kind   string            `json:"event"`
	Target string            `json:"target"`
	Args   []json.RawMessage `json:"args"`
	Error  string            `json:"error"`
}

// String is the event as a line of text, for comparing: `Target("a",1)`.
func (e Event) String() string {
	if e.Kind != Call {
		return e.Kind + " " + e.Error
	}
	args := make([]string, len(e.Args))
	for i, arg := range e.Args {
		args[i] = string(arg)
	}
	return e.Target + "(" + strings.Join(args, ",") + ")"
}

// Error is what the client's promise was rejected with.
type Error string

// Error is the client's text.
func (e Error) Error() string { return string(e) }

// Client is one official client. Its methods are safe for concurrent use.
type Client struct {
	process *process
	number  int // at the process
	events  events
}

// Start starts a client for the hub at url that sends token, if there is one.
// It ends with the test. It is not connected yet: call On for what it should
// hear, then Connect.
func Start(tb testing.TB, p Package, url, token string, o Options) *Client {
	tb.Helper()
	if p == AspNet && o.Reconnect != nil {
		tb.Fatalf("signalrtest: %s cannot reconnect", p)
	}
	settings := struct {
		Package         Package `json:"package"`
		URL             string  `json:"url"`
		Token           string  `json:"token"`
		SkipNegotiation bool    `json:"skipNegotiation"`
		MessagePack     bool    `json:"messagePack"`
		TokenPerRequest bool    `json:"tokenPerRequest"`
		Transport       string  `json:"transport,omitempty"`
		ReconnectDelays []int64 `json:"reconnectDelays,omitempty"`
	}{
		Package: p, URL: url, Token: token,
		SkipNegotiation: o.SkipNegotiation, MessagePack: o.MessagePack, TokenPerRequest: o.TokenPerRequest,
		Transport: o.Transport,
	}
	for _, d := range o.Reconnect {
		settings.ReconnectDelays = append(settings.ReconnectDelays, d.Milliseconds())
	}
	modules := nodeModules(tb, string(p))
	var place *process
	if o.Browser != nil {
		place = o.Browser.process
	} else {
		running, kill := context.WithCancel(context.WithoutCancel(tb.Context()))
		var wait func()
		place, wait = start(running, tb, "Node", modules)
		tb.Cleanup(func() {
			kill()
			wait()
		})
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	c, err := place.open(ctx, settings)
	if err != nil {
		tb.Fatalf("signalrtest: start %s: %v", p, err)
	}
	if o.Browser != nil {
		tb.Cleanup(func() { c.close(context.WithoutCancel(tb.Context())) })
	}
	return c
}

// ask has the client do something and waits until it is done.
func (c *Client) ask(ctx context.Context, what command) (json.RawMessage, error) {
	what.Client = c.number
	return c.process.ask(ctx, what)
}

// Connect starts the connection.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "connect"})
	return err
}

// On makes the server's calls of these targets events.
func (c *Client) On(ctx context.Context, targets ...string) error {
	for _, target := range targets {
		if _, err := c.ask(ctx, command{Do: "on", Target: target}); err != nil {
			return err
		}
	}
	return nil
}

// Invoke calls a hub method and waits for its result, decoded into result
// unless that is nil. An error of the hub is an Error.
func (c *Client) Invoke(ctx context.Context, result any, target string, args ...any) error {
	raw, err := c.ask(ctx, command{Do: "invoke", Target: target, Args: list(args)})
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("decode the result of %s: %w", target, err)
	}
	return nil
}

// Send calls a hub method and does not wait for it.
func (c *Client) Send(ctx context.Context, target string, args ...any) error {
	_, err := c.ask(ctx, command{Do: "send", Target: target, Args: list(args)})
	return err
}

// Stream invokes a hub method that is a stream, and waits for its end or for so
// many items, after which it cancels; none: for the end.
func (c *Client) Stream(ctx context.Context, most int, target string, args ...any) ([]json.RawMessage, error) {
	raw, err := c.ask(ctx, command{Do: "stream", Target: target, Args: list(args), Most: most})
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("decode the items of %s: %w", target, err)
	}
	return items, nil
}

// Upload invokes a hub method whose last parameter is a stream, of these items,
// and waits for its result. AspNet cannot.
func (c *Client) Upload(ctx context.Context, result any, items []any, target string, args ...any) error {
	raw, err := c.ask(ctx, command{Do: "upload", Target: target, Args: list(args), Items: items})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("decode the result of %s: %w", target, err)
	}
	return nil
}

// Reply has the client answer the server's calls of target with a result. AspNet
// cannot.
func (c *Client) Reply(ctx context.Context, target string, result any) error {
	_, err := c.ask(ctx, command{Do: "reply", Target: target, Args: []any{result}})
	return err
}

// SetToken changes what the client sends when it connects again.
func (c *Client) SetToken(ctx context.Context, token string) error {
	_, err := c.ask(ctx, command{Do: "token", Token: token})
	return err
}

// Stop ends the connection from the client's side.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "stop"})
	return err
}

// Leave closes the client's page, as people do, with its connection open.
func (c *Client) Leave(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "leave"})
	return err
}

// close is Leave for a test that ends: a page that has gone is as good.
func (c *Client) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = c.Leave(ctx)
}

// WaitFor returns the oldest event that want accepts and that no WaitFor has
// returned yet, as soon as there is one. Nil accepts any.
func (c *Client) WaitFor(ctx context.Context, want func(Event) bool) (Event, error) {
	for {
		e, more, ok := c.events.take(want)
		if ok {
			return e, nil
		}
		select {
		case <-more:
		case <-c.process.done:
			return Event{}, errors.New("signalrtest: the client's process has ended")
		case <-ctx.Done():
			return Event{}, fmt.Errorf("wait for an event beside %v: %w", c.events.all(), ctx.Err())
		}
	}
}

// Events are those that no WaitFor has returned yet, oldest first.
func (c *Client) Events() []Event { return c.events.all() }

// CallOf accepts the server's calls of target.
func CallOf(target string) func(Event) bool {
	return func(e Event) bool { return e.Kind == Call && e.Target == target }
}

// KindOf accepts events of a kind.
func KindOf(kind string) func(Event) bool {
	return func(e Event) bool { return e.Kind == kind }
}

func list(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}
