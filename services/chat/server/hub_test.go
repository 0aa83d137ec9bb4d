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

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

var officials = []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet}

// each runs a test with both official clients.
func each(t *testing.T, test func(t *testing.T, p signalrtest.Package)) {
	t.Helper()
	for _, p := range officials {
		t.Run(string(p), func(t *testing.T) { test(t, p) })
	}
}

type official struct {
	*signalrtest.Client

	t *testing.T
}

func (s *service) connect(t *testing.T, p signalrtest.Package, login string, life time.Duration) official {
	t.Helper()
	c := official{signalrtest.Start(t, p, s.url+"/hub", s.token(login, life), signalrtest.Options{}), t}
	err := errors.Join(c.On(soon(t), "Entry", "Presence", "Read", "Resync", "Behind", "Draining"), c.Connect(soon(t)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c official) invoke(out any, target string, args ...any) {
	c.t.Helper()
	if err := c.Invoke(soon(c.t), out, target, args...); err != nil {
		c.t.Errorf("%s: %v", target, err)
	}
}

func (c official) refused(says, target string, args ...any) {
	c.t.Helper()
	if err := c.Invoke(soon(c.t), nil, target, args...); err == nil || !strings.Contains(err.Error(), "HubException: "+says) {
		c.t.Errorf("%s%v: got error %v, want %s", target, args, err, says)
	}
}

func (c official) hears(target string, args ...any) {
	c.t.Helper()
	e, err := c.WaitFor(soon(c.t), signalrtest.CallOf(target))
	if err != nil {
		c.t.Errorf("%s: %v", target, err)
		return
	}
	if err := (message{Target: target, Arguments: e.Args}).bind(args...); err != nil {
		c.t.Error(err)
	}
}

func TestAgentsTalkOnTheHub(t *testing.T) {
	each(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		question := s.say("anna", "who is here?")
		jimmy := s.connect(t, p, "jimmy", time.Hour)
		phone := s.connect(t, p, "jimmy", time.Hour)
		stranger := s.connect(t, p, "zoe", time.Hour) // never joins

		var all joined
		phone.invoke(nil, "Join")
		jimmy.invoke(&all, "Join", map[string]position{chat.Company: {}})
		if all.Agent.Login != "jimmy" || len(all.Streams) != 3 || len(all.Resync) != 0 || len(all.Presence) != 2 {
			t.Errorf("joined %+v", all)
		}
		general := all.stream(chat.General)
		if diff := cmp.Diff([]chat.Entry{question}, general.Entries); diff != "" || general.Head != 1 || general.Unread != 1 {
			t.Errorf("General is %+v (-want +got):\n%s", general.Stream, diff)
		}

		var first, again struct {
			Stream, Tag string
			Sequence    int64
			At          time.Time
		}
		jimmy.invoke(&first, "Send", chat.General, "m-1", "I am", map[string]int64{"replyTo": 1})
		jimmy.invoke(&again, "Send", chat.General, "m-1", "I am", map[string]int64{"replyTo": 1})
		if first != again || first.Sequence != 2 || first.Stream != chat.General || first.Tag == "" {
			t.Errorf("sent %+v, and again %+v", first, again)
		}
		want := chat.Entry{
			Stream: chat.General, Sequence: 2, Tag: first.Tag, Ordinal: 2, ID: "m-1", Kind: chat.Message,
			Author: "jimmy", Avatar: "/jimmy.svg", Body: "I am", ReplyTo: 1, At: first.At,
		}
		for _, device := range []official{jimmy, phone} {
			var heard chat.Entry
			device.hears("Entry", &heard)
			if diff := cmp.Diff(want, heard); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
			var stream, login string
			var sequence int64
			device.hears("Read", &stream, &login, &sequence)
			if stream != chat.General || login != "jimmy" || sequence != 2 {
				t.Errorf("read %s by %s up to %d", stream, login, sequence)
			}
		}
		s.announce("hello", "jimmy")
		var notice chat.Entry
		jimmy.hears("Entry", &notice)
		if notice.Stream != "Own:jimmy" || notice.Author != "admin" || notice.Body != "hello" {
			t.Errorf("told %+v", notice)
		}
		jimmy.invoke(nil, "MarkRead", "Own:jimmy", 1)
		var stream, login string
		var sequence int64
		phone.hears("Read", &stream, &login, &sequence)
		if stream != "Own:jimmy" || sequence != 1 {
			t.Errorf("read %s up to %d", stream, sequence)
		}
		var history []chat.Entry
		jimmy.invoke(&history, "History", chat.General, 2, 10)
		if diff := cmp.Diff([]chat.Entry{question}, history); diff != "" {
			t.Errorf("before (-want +got):\n%s", diff)
		}
		jimmy.invoke(&history, "History", chat.General, 0, 1)
		if diff := cmp.Diff([]chat.Entry{want}, history); diff != "" {
			t.Errorf("the newest (-want +got):\n%s", diff)
		}
		if events := stranger.Events(); len(events) > 0 {
			t.Errorf("who has not joined heard %v", events)
		}
		if err := phone.Stop(soon(t)); err != nil {
			t.Error(err)
		}
		var changes []chat.Presence
		if err := stranger.Stop(soon(t)); err != nil {
			t.Error(err)
		}
		jimmy.hears("Presence", &changes)
		for len(changes) != 1 || changes[0].State != chat.Offline {
			jimmy.hears("Presence", &changes)
			if t.Failed() {
				return
			}
		}
		if changes[0].Login != "zoe" {
			t.Errorf("%+v", changes)
		}
	})
}

func TestBadCallsAreRefusedByTheirCode(t *testing.T) {
	each(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		c := s.connect(t, p, "jimmy", time.Hour)
		failed := "Failed to invoke"
		for _, tt := range []struct {
			says, target string
			args         []any
		}{
			{"cursor-invalid: ", "Join", []any{map[string]position{chat.General: {Sequence: -1}}}},
			{"cursor-invalid: ", "Join", []any{map[string]position{chat.General: {Sequence: 1}}}},
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
			c.refused(tt.says, tt.target, tt.args...)
		}
		for target, args := range map[string][]any{
			"Send": {chat.General, "1"}, "History": {chat.General, 0}, "Join": {[]int{1}}, "MarkRead": {1, 1}, "RefreshToken": {},
		} {
			if err := c.Invoke(soon(t), nil, target, args...); err == nil || !strings.HasPrefix(err.Error(), failed) {
				t.Errorf("%s%v: got error %v", target, args, err)
			}
		}
		if entries := s.stream("jimmy", chat.General, 0); len(entries) != 0 {
			t.Errorf("stored %+v", entries)
		}
	})
}

func TestASocketLivesAsLongAsItsNewestToken(t *testing.T) {
	each(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		const life = 4 * time.Second
		keeps := s.connect(t, p, "jimmy", life)
		keeps.invoke(nil, "RefreshToken", s.token("jimmy", time.Hour))
		loses := s.connect(t, p, "danny", life)
		loses.refused("token-other-agent: ", "RefreshToken", s.token("jimmy", time.Hour))
		if _, err := loses.WaitFor(soon(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Fatal(err)
		}
		keeps.invoke(nil, "Join")
	})
}

func TestADrainIsTold(t *testing.T) {
	each(t, func(t *testing.T, p signalrtest.Package) {
		s := start(t, sqlite(t))
		c := s.connect(t, p, "jimmy", time.Hour)
		c.invoke(nil, "Join")
		s.server.Drain(soon(t))
		var delay int64
		c.hears("Draining", &delay)
		if delay < 0 || delay > 5000 {
			t.Errorf("within %d ms", delay)
		}
		if _, err := c.WaitFor(soon(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Error(err)
		}
	})
}

func TestBothHubsCountAnAgentsSockets(t *testing.T) {
	s := start(t, sqlite(t), func(cfg *server.Config) { cfg.Connections = 2 })
	danny := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/agentsChat", s.token("danny", time.Hour), signalrtest.Options{})
	if err := errors.Join(danny.On(soon(t), "ReceiveNotification", "ReceiveMessage"), danny.Connect(soon(t))); err != nil {
		t.Fatal(err)
	}
	hears := func(want string) {
		t.Helper()
		if _, err := danny.WaitFor(soon(t), func(e signalrtest.Event) bool { return e.String() == want }); err != nil {
			t.Error(err)
		}
	}
	one := s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	hears(`ReceiveNotification("jimmy join chat")`)
	two := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/agentsChat", s.token("jimmy", time.Hour), signalrtest.Options{})
	if err := two.Connect(soon(t)); err != nil {
		t.Fatal(err)
	}
	three := signalrtest.Start(t, signalrtest.Microsoft, s.url+"/hub", s.token("jimmy", time.Hour), signalrtest.Options{})
	if err := three.Connect(soon(t)); err == nil {
		if _, err := three.WaitFor(soon(t), signalrtest.KindOf(signalrtest.Closed)); err != nil {
			t.Error("a third socket was let in")
		}
	}
	one.invoke(nil, "Send", chat.General, "1", "hello")
	hears(`ReceiveMessage("jimmy","/jimmy.svg","hello")`)
	if err := errors.Join(one.Stop(soon(t)), two.Stop(soon(t))); err != nil {
		t.Error(err)
	}
	hears(`ReceiveNotification("jimmy left chat")`)
}

// A client that stops reading must cost nobody anything, itself neither.
func TestASlowSocketIsToldThatItIsBehind(t *testing.T) {
	s := start(t, sqlite(t))
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return c, c.(*net.TCPConn).SetReadBuffer(narrowBuffer) //nolint:forcetypeassert // A TCP network was asked for.
	}}
	header := http.Header{"Authorization": {"Bearer " + s.token("slow", time.Hour)}}
	ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/hub", header)
	if err != nil {
		t.Fatal(err)
	}
	slow := &member{s: s, login: "slow", held: map[string][]chat.Entry{}, away: map[string]bool{}, socket: &socket{ws: ws}}
	if err := slow.socket.write(`{"protocol":"json","version":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.socket.record(); err != nil {
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
		s.say("jimmy", long)
	}
	for i := range int64(messages) {
		var e chat.Entry
		fast.hears("Entry", &e)
		if e.Sequence != i+1 {
			t.Fatalf("entry %d came for %d", e.Sequence, i+1)
		}
	}
	for len(slow.away) == 0 {
		e, err := slow.socket.next()
		if err == nil {
			err = slow.hear(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(slow.held[chat.General]); n == 0 || n >= messages {
		t.Errorf("it heard %d entries until it was behind", n)
	}
	if err := slow.join(true); err != nil {
		t.Fatal(err)
	}
	s.say("jimmy", "the last")
	for len(slow.held[chat.General]) <= messages {
		e, err := slow.socket.next()
		if err == nil {
			err = slow.hear(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log := s.stream("slow", chat.General, 0)
	if diff := cmp.Diff(log, slow.held[chat.General], cmpopts.IgnoreFields(chat.Entry{}, "Body")); diff != "" {
		t.Errorf("it holds another log (-log +held):\n%.2000s", diff)
	}
	if err := ws.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnswersOfTheHubAreWhatTheContractShows(t *testing.T) {
	s := start(t, sqlite(t))
	s.say("anna", "hello")
	c, err := s.dial("jimmy")
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := c.call(&raw, func(message) {}, "Join"); err != nil {
		t.Fatal(err)
	}
	fits(t, raw, example(t, "JoinResult"))
	if err := c.call(&raw, func(message) {}, "Send", chat.General, "1", "x"); err != nil {
		t.Fatal(err)
	}
	fits(t, raw, example(t, "SendResult"))
	if err := c.ws.Close(); err != nil {
		t.Error(err)
	}
}
