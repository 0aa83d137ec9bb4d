package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gorilla/websocket"

	"parley.internal/chat"
	"parley.internal/chat/server"
	"parley.internal/pkg/signalr/signalrtest"
)

func sqlite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + t.TempDir() + "/chat.db"
}

// withTimeout returns a context for a call of a client.
func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

var officials = []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet}

// eachClient runs a test with both official clients.
func eachClient(t *testing.T, test func(t *testing.T, p signalrtest.Package)) {
	t.Helper()
	for _, p := range officials {
		t.Run(string(p), func(t *testing.T) { test(t, p) })
	}
}

// official is a connected official client.
type official struct {
	*signalrtest.Client

	t *testing.T
}

func (s *service) connect(t *testing.T, p signalrtest.Package, login string, life time.Duration) official {
	t.Helper()
	c := official{signalrtest.Start(t, p, s.url+"/hub", s.token(login, life), signalrtest.Options{}), t}
	err := errors.Join(c.On(withTimeout(t), "Entry", "Presence", "Read", "Resync", "Behind", "Draining"), c.Connect(withTimeout(t)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c official) invoke(out any, target string, args ...any) {
	c.t.Helper()
	if err := c.Invoke(withTimeout(c.t), out, target, args...); err != nil {
		c.t.Errorf("%s: %v", target, err)
	}
}

func (c official) wantError(text, target string, args ...any) {
	c.t.Helper()
	if err := c.Invoke(withTimeout(c.t), nil, target, args...); err == nil || !strings.Contains(err.Error(), "HubException: "+text) {
		c.t.Errorf("%s%v: got error %v, want %s", target, args, err, text)
	}
}

// receive waits for a call of the server and decodes the arguments.
func (c official) receive(target string, args ...any) {
	c.t.Helper()
	e, err := c.WaitFor(withTimeout(c.t), signalrtest.CallOf(target))
	if err != nil {
		c.t.Errorf("%s: %v", target, err)
		return
	}
	if err := (message{Target: target, Arguments: e.Args}).bind(args...); err != nil {
		c.t.Error(err)
	}
}

func TestAgentsExchangeMessagesOnTheHub(t *testing.T) {
	eachClient(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		question := s.post("anna", "who is online?")
		jimmy := s.connect(t, p, "jimmy", time.Hour)
		phone := s.connect(t, p, "jimmy", time.Hour)
		stranger := s.connect(t, p, "zoe", time.Hour) // does not join

		var all joinResult
		phone.invoke(nil, "Join")
		jimmy.invoke(&all, "Join", map[string]cursor{chat.Company: {}})
		if all.Agent.Login != "jimmy" || len(all.Streams) != 3 || len(all.Resync) != 0 || len(all.Presence) != 2 {
			t.Errorf("got joined %+v, want 3 streams and 2 agents online", all)
		}
		general := all.stream(chat.General)
		if diff := cmp.Diff([]chat.Entry{question}, general.Entries); diff != "" || general.Head != 1 || general.Unread != 1 {
			t.Errorf("General: got %+v, entries (-want +got):\n%s", general.Stream, diff)
		}

		var first, second struct {
			Stream, Tag string
			Sequence    int64
			At          time.Time
		}
		jimmy.invoke(&first, "Send", chat.General, "m-1", "I am", map[string]int64{"replyTo": 1})
		jimmy.invoke(&second, "Send", chat.General, "m-1", "I am", map[string]int64{"replyTo": 1})
		if first != second || first.Sequence != 2 || first.Stream != chat.General || first.Tag == "" {
			t.Errorf("got send results %+v and %+v, want the same entry 2", first, second)
		}
		want := chat.Entry{
			Stream: chat.General, Sequence: 2, Tag: first.Tag, Ordinal: 2, ID: "m-1", Kind: chat.Message,
			Author: "jimmy", Avatar: "/jimmy.svg", Body: "I am", ReplyTo: 1, At: first.At,
		}
		for _, device := range []official{jimmy, phone} {
			var pushed chat.Entry
			device.receive("Entry", &pushed)
			if diff := cmp.Diff(want, pushed); diff != "" {
				t.Errorf("pushed entry (-want +got):\n%s", diff)
			}
			var stream, login string
			var sequence int64
			device.receive("Read", &stream, &login, &sequence)
			if stream != chat.General || login != "jimmy" || sequence != 2 {
				t.Errorf("got Read(%s, %s, %d), want Read(General, jimmy, 2)", stream, login, sequence)
			}
		}
		s.announce("hello", "jimmy")
		var notice chat.Entry
		jimmy.receive("Entry", &notice)
		if notice.Stream != "Own:jimmy" || notice.Author != "admin" || notice.Body != "hello" {
			t.Errorf("got announcement %+v, want hello by admin in Own:jimmy", notice)
		}
		jimmy.invoke(nil, "MarkRead", "Own:jimmy", 1)
		var stream, login string
		var sequence int64
		phone.receive("Read", &stream, &login, &sequence)
		if stream != "Own:jimmy" || sequence != 1 {
			t.Errorf("got Read(%s, %s, %d), want Read(Own:jimmy, jimmy, 1)", stream, login, sequence)
		}
		var history []chat.Entry
		jimmy.invoke(&history, "History", chat.General, 2, 10)
		if diff := cmp.Diff([]chat.Entry{question}, history); diff != "" {
			t.Errorf("history before 2 (-want +got):\n%s", diff)
		}
		jimmy.invoke(&history, "History", chat.General, 0, 1)
		if diff := cmp.Diff([]chat.Entry{want}, history); diff != "" {
			t.Errorf("newest entry of the history (-want +got):\n%s", diff)
		}
		if events := stranger.Events(); len(events) > 0 {
			t.Errorf("a client that has not joined got %v", events)
		}
		if err := phone.Stop(withTimeout(t)); err != nil {
			t.Error(err)
		}
		var changes []chat.Presence
		if err := stranger.Stop(withTimeout(t)); err != nil {
			t.Error(err)
		}
		jimmy.receive("Presence", &changes)
		for len(changes) != 1 || changes[0].State != chat.Offline {
			jimmy.receive("Presence", &changes)
			if t.Failed() {
				return
			}
		}
		if changes[0].Login != "zoe" {
			t.Errorf("got presence %+v, want zoe offline", changes)
		}
	})
}

func TestInvalidCallsReturnAnErrorCode(t *testing.T) {
	eachClient(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		c := s.connect(t, p, "jimmy", time.Hour)
		failed := "Failed to invoke"
		for _, tt := range []struct {
			text, target string
			args         []any
		}{
			{"cursor-invalid: ", "Join", []any{map[string]cursor{chat.General: {Sequence: -1}}}},
			{"cursor-invalid: ", "Join", []any{map[string]cursor{chat.General: {Sequence: 1}}}},
			{"stream-unknown: ", "Send", []any{"nowhere", "1", "x"}},
			{"stream-unknown: ", "Send", []any{"Own:danny", "1", "x"}},
			{"stream-read-only: ", "Send", []any{chat.Company, "1", "x"}},
			{"stream-read-only: ", "Send", []any{"Own:jimmy", "1", "x"}},
			{"client-id-invalid: ", "Send", []any{chat.General, "", "x"}},
			{"text-empty: ", "Send", []any{chat.General, "1", " "}},
			{"text-broken: ", "Send", []any{chat.General, "1", "a\x00"}},
			{"reply-unknown: ", "Send", []any{chat.General, "1", "x", map[string]int64{"replyTo": 1}}},
			{"reply-unknown: ", "Send", []any{chat.General, "1", "x", map[string]int64{"replyTo": 0}}},
			{"reply-unknown: ", "Send", []any{chat.General, "1", "x", map[string]int64{"replyTo": -1}}},
			{"stream-unknown: ", "History", []any{"Own:danny", 0, 10}},
			{"limit-invalid: ", "History", []any{chat.General, 0, 0}},
			{"limit-invalid: ", "History", []any{chat.General, 0, 201}},
			{"sequence-invalid: ", "History", []any{chat.General, -1, 1}},
			{"stream-unknown: ", "MarkRead", []any{"Own:danny", 0}},
			{"sequence-invalid: ", "MarkRead", []any{chat.General, 1}},
			{"sequence-invalid: ", "MarkRead", []any{chat.General, -1}},
			{"token-invalid: ", "RefreshToken", []any{"x"}},
			{"token-other-agent: ", "RefreshToken", []any{s.token("danny", time.Hour)}},
		} {
			c.wantError(tt.text, tt.target, tt.args...)
		}
		for target, args := range map[string][]any{
			"Send": {chat.General, "1"}, "History": {chat.General, 0}, "Join": {[]int{1}}, "MarkRead": {1, 1}, "RefreshToken": {},
		} {
			if err := c.Invoke(withTimeout(t), nil, target, args...); err == nil || !strings.HasPrefix(err.Error(), failed) {
				t.Errorf("%s%v: got error %v, want %s", target, args, err, failed)
			}
		}
		if entries := s.stream("jimmy", chat.General, 0); len(entries) != 0 {
			t.Errorf("got entries %+v, want none", entries)
		}
	})
}

func TestConnectionEndsWithItsNewestToken(t *testing.T) {
	eachClient(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		const life = 10 * time.Second // enough for the start of a client on a busy machine
		refreshed := s.connect(t, p, "jimmy", life)
		refreshed.invoke(nil, "RefreshToken", s.token("jimmy", time.Hour))
		expiring := s.connect(t, p, "danny", life)
		expiring.wantError("token-other-agent: ", "RefreshToken", s.token("jimmy", time.Hour))
		if _, err := expiring.WaitFor(withTimeout(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Fatal(err)
		}
		refreshed.invoke(nil, "Join")
	})
}

func TestDrainIsAnnouncedToClients(t *testing.T) {
	eachClient(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		c := s.connect(t, p, "jimmy", time.Hour)
		c.invoke(nil, "Join")
		s.server.Drain(withTimeout(t))
		var delay int64
		c.receive("Draining", &delay)
		if delay < 0 || delay > 5000 {
			t.Errorf("got a delay of %d ms, want 0 to 5000", delay)
		}
		if _, err := c.WaitFor(withTimeout(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Error(err)
		}
	})
}

func TestBothHubsCountAnAgentsConnections(t *testing.T) {
	s := start(t, sqlite(t), func(cfg *server.Config) { cfg.Limits.Connections = 2 })
	danny := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/agentsChat", s.token("danny", time.Hour), signalrtest.Options{})
	if err := errors.Join(danny.On(withTimeout(t), "ReceiveNotification", "ReceiveMessage"), danny.Connect(withTimeout(t))); err != nil {
		t.Fatal(err)
	}
	wantCall := func(want string) {
		t.Helper()
		if _, err := danny.WaitFor(withTimeout(t), func(e signalrtest.Event) bool { return e.String() == want }); err != nil {
			t.Error(err)
		}
	}
	one := s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	wantCall(`ReceiveNotification("jimmy join chat")`)
	two := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/agentsChat", s.token("jimmy", time.Hour), signalrtest.Options{})
	if err := two.Connect(withTimeout(t)); err != nil {
		t.Fatal(err)
	}
	three := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/hub", s.token("jimmy", time.Hour), signalrtest.Options{})
	if err := three.Connect(withTimeout(t)); err == nil {
		if _, err := three.WaitFor(withTimeout(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Error("a third connection was admitted")
		}
	}
	one.invoke(nil, "Send", chat.General, "1", "hello")
	wantCall(`ReceiveMessage("jimmy","/jimmy.svg","hello")`)
	if err := errors.Join(one.Stop(withTimeout(t)), two.Stop(withTimeout(t))); err != nil {
		t.Error(err)
	}
	wantCall(`ReceiveNotification("jimmy left chat")`)
}

// A client that stops reading does not slow others, and catches up later.
func TestSlowConsumerIsSentBehindAndRejoins(t *testing.T) {
	s := start(t, sqlite(t))
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return c, c.(*net.TCPConn).SetReadBuffer(smallBuffer) //nolint:forcetypeassert // A TCP network was dialed.
	}}
	header := http.Header{"Authorization": {"Bearer " + s.token("slow", time.Hour)}}
	ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/hub", header)
	if err != nil {
		t.Fatal(err)
	}
	slow := &member{s: s, login: "slow", entries: map[string][]chat.Entry{}, behind: map[string]bool{}, conn: &connection{ws: ws}}
	if err := slow.conn.write(`{"protocol":"json","version":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.conn.record(); err != nil {
		t.Fatal(err)
	}
	if err := slow.join(false); err != nil {
		t.Fatal(err)
	}
	fast := s.connect(t, signalrtest.Microsoft, "fast", time.Hour)
	fast.invoke(nil, "Join")

	const messages = 26
	long := strings.Repeat("👩", chat.MaxText) // 16 KB
	for range messages {
		s.post("jimmy", long)
	}
	for i := range int64(messages) {
		var e chat.Entry
		fast.receive("Entry", &e)
		if e.Sequence != i+1 {
			t.Fatalf("got entry %d, want %d", e.Sequence, i+1)
		}
	}
	for len(slow.behind) == 0 {
		e, err := slow.conn.next()
		if err == nil {
			err = slow.receive(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(slow.entries[chat.General]); n == 0 || n >= messages {
		t.Errorf("the slow consumer got %d entries before Behind, want 1 to %d", n, messages-1)
	}
	if err := slow.join(true); err != nil {
		t.Fatal(err)
	}
	s.post("jimmy", "the last")
	for len(slow.entries[chat.General]) <= messages {
		e, err := slow.conn.next()
		if err == nil {
			err = slow.receive(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log := s.stream("slow", chat.General, 0)
	if diff := cmp.Diff(log, slow.entries[chat.General], cmpopts.IgnoreFields(chat.Entry{}, "Body")); diff != "" {
		t.Errorf("entries of the slow consumer (-log +got):\n%.2000s", diff)
	}
	if err := ws.Close(); err != nil {
		t.Error(err)
	}
}

func TestHubResultsFitTheContractExamples(t *testing.T) {
	s := start(t, sqlite(t))
	s.post("anna", "hello")
	c, err := s.dial("jimmy")
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := c.call(&raw, func(message) {}, "Join"); err != nil {
		t.Fatal(err)
	}
	wantShape(t, raw, example(t, "JoinResult"))
	if err := c.call(&raw, func(message) {}, "Send", chat.General, "1", "x"); err != nil {
		t.Fatal(err)
	}
	wantShape(t, raw, example(t, "SendResult"))
	if err := c.ws.Close(); err != nil {
		t.Error(err)
	}
}
