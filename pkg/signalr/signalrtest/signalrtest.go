// Package signalrtest drives the official SignalR clients, unmodified, from a Go test: each Client is
// a Node process of its own, or a page of a Browser.
//
//	client := signalrtest.Start(t, signalrtest.Microsoft, server.URL+"/hub", token, signalrtest.Options{})
//	err := client.On(ctx, "ReceiveMessage")
//	err = client.Connect(ctx)
//	err = client.Invoke(ctx, nil, "SendMessage", "hello")
//	event, err := client.WaitFor(ctx, signalrtest.CallOf("ReceiveMessage"))
//	fmt.Println(event) // ReceiveMessage("hello")
//
// On a machine without Node, Chromium or the clients the test fails with the name of the missing
// software; nothing is skipped.
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

// The supported clients.
const (
	Microsoft Package = "@microsoft/signalr"
	AspNet    Package = "@aspnet/signalr" // 1.1, before automatic reconnecting
)

// Options configure a client. The zero value runs in Node, negotiates and does not reconnect.
type Options struct {
	Browser         *Browser // nil: in Node
	SkipNegotiation bool
	MessagePack     bool // instead of JSON; not with AspNet

	// TokenPerRequest sends the token of SetToken with each request. AspNet always does; Microsoft
	// asks for a token only when connecting.
	TokenPerRequest bool

	// Transport restricts the client to WebSockets, ServerSentEvents or LongPolling. Empty: the best
	// working transport.
	Transport string

	// Reconnect contains the delay before each attempt to reconnect; empty: the client does not
	// reconnect. AspNet cannot reconnect.
	Reconnect []time.Duration
}

// The kinds of events.
const (
	Call         = "call"         // the server called Target with Args
	Closed       = "closed"       // the connection has ended, because of Error if set
	Reconnecting = "reconnecting" // the connection was lost, because of Error if set
	Reconnected  = "reconnected"
	Noise        = "noise" // the client printed something: Error
)

// Event is an event of a client.
type Event struct {
	Kind   string            `json:"event"`
	Target string            `json:"target"`
	Args   []json.RawMessage `json:"args"`
	Error  string            `json:"error"`
}

// String returns the event as a line of text, for comparisons: `Target("a",1)`.
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

// Error is the reason of a client's rejected promise.
type Error string

// Error returns the client's text.
func (e Error) Error() string { return string(e) }

// Client is an official client. All methods are safe for concurrent use.
type Client struct {
	process *process
	number  int // at the process
	events  events
}

// Start starts a client for the hub at url with a token, unless the token is empty. The client ends
// with the test. The client is not connected yet: call On for each target of interest, then Connect.
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
	ctx, cancel := context.WithTimeout(tb.Context(), processTimeout)
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

// ask sends a command to the client and waits for the answer.
func (c *Client) ask(ctx context.Context, cmd command) (json.RawMessage, error) {
	cmd.Client = c.number
	return c.process.ask(ctx, cmd)
}

// Connect starts the connection.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "connect"})
	return err
}

// On records the server's calls of the targets as events.
func (c *Client) On(ctx context.Context, targets ...string) error {
	for _, target := range targets {
		if _, err := c.ask(ctx, command{Do: "on", Target: target}); err != nil {
			return err
		}
	}
	return nil
}

// Invoke calls a hub method and waits for the completion, decoded into result unless result is nil. An
// error of the hub is an Error.
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

// Send calls a hub method without waiting for a completion.
func (c *Client) Send(ctx context.Context, target string, args ...any) error {
	_, err := c.ask(ctx, command{Do: "send", Target: target, Args: list(args)})
	return err
}

// Stream invokes a streaming hub method and waits for the end of the stream. With most > 0 the client
// cancels the stream after so many items.
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

// Upload invokes a hub method with a stream of items as the last parameter, and waits for the result.
// AspNet cannot.
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

// Reply makes the client answer the server's calls of target with a result. AspNet cannot.
func (c *Client) Reply(ctx context.Context, target string, result any) error {
	_, err := c.ask(ctx, command{Do: "reply", Target: target, Args: []any{result}})
	return err
}

// SetToken changes the token for later connections.
func (c *Client) SetToken(ctx context.Context, token string) error {
	_, err := c.ask(ctx, command{Do: "token", Token: token})
	return err
}

// Stop ends the connection from the client's side.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "stop"})
	return err
}

// Leave closes the client's page, as people do, with an open connection.
func (c *Client) Leave(ctx context.Context) error {
	_, err := c.ask(ctx, command{Do: "leave"})
	return err
}

// close is Leave at the end of a test: the page may be closed already.
func (c *Client) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	_ = c.Leave(ctx)
}

// WaitFor waits for an event accepted by want, and removes and returns the oldest. Nil accepts any
// event.
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

// Events returns the events that no WaitFor has returned yet, oldest first.
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
