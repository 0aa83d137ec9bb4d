package signalr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// diary is a hub that notes who came, what was called, and how it ended.
type diary struct {
	*signalr.Hub

	conns   chan *signalr.Conn
	calls   chan string
	endings chan error
}

func newDiary(o signalr.Options) *diary {
	o.Logger = quiet
	d := &diary{
		Hub:     signalr.New(o),
		conns:   make(chan *signalr.Conn, 100),
		calls:   make(chan string, 100),
		endings: make(chan error, 100),
	}
	d.OnConnect(func(_ context.Context, c *signalr.Conn) error {
		d.conns <- c
		return nil
	})
	d.OnDisconnect(func(_ *signalr.Conn, err error) { d.endings <- err })
	d.Handle("Note", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, text string) error {
		select {
		case <-time.After(3 * time.Second): // a slow note
			d.calls <- text
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	return d
}

// keep runs fn against a diary.
func keep(t *testing.T, o signalr.Options, fn func(t *testing.T, d *diary, n *network)) {
	t.Helper()
	var d *diary
	hub := func() *signalr.Hub {
		d = newDiary(o)
		return d.Hub
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) { fn(t, d, n) })
}

// ending is how a connection on a real socket has ended.
func (d *diary) ending(t *testing.T) error {
	t.Helper()
	return within(t, d.endings)
}

// wantEnding is for a bubble, where a wait in vain is a deadlock.
func (d *diary) wantEnding(t *testing.T, clean bool) {
	t.Helper()
	if err := <-d.endings; (err == nil) != clean {
		t.Errorf("the connection ended with %v, want clean: %v", err, clean)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-d.endings:
		t.Errorf("the connection ended twice, then with %v", err)
	default:
	}
}

// wantBrokenAlone wants a client to be left for what it has sent, and another one
// not.
func (d *diary) wantBrokenAlone(t *testing.T, c, other *client) {
	t.Helper()
	c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
	c.expectEnd()
	if err := <-d.endings; err == nil {
		t.Error("the connection ended cleanly")
	}
	if err := d.All().Send("StillHere"); err != nil {
		t.Fatal(err)
	}
	other.expect(`{"type":1,"target":"StillHere","arguments":[]}`)
}

func TestWhatAClientBreaksIsItsOwnConnection(t *testing.T) {
	text, binary := websocket.TextMessage, websocket.BinaryMessage
	tests := map[string]struct {
		kind int
		send string
	}{
		"no JSON":                        {text, `{"type":`},
		"nothing at all":                 {text, ``},
		"no object":                      {text, `[1]`},
		"no type":                        {text, `{"target":"Note","arguments":["x"]}`},
		"a type that is no number":       {text, `{"type":"1","target":"Note","arguments":["x"]}`},
		"a type that nobody knows":       {text, `{"type":99}`},
		"a call without a target":        {text, `{"type":1,"arguments":[]}`},
		"a call without arguments":       {text, `{"type":1,"target":"Note"}`},
		"arguments that are no list":     {text, `{"type":1,"target":"Note","arguments":{}}`},
		"an invocation id that is none":  {text, `{"type":1,"invocationId":1,"target":"Note","arguments":["x"]}`},
		"a stream that nobody waits for": {text, `{"type":4,"target":"Note","arguments":["x"]}`},
		"two messages without separator": {text, `{"type":6}{"type":6}`},
		"a message too large":            {text, `{"type":6,"x":"` + strings.Repeat("x", 32<<10) + `"}`},
		"text that is not UTF-8":         {text, `{"type":1,"target":"Note","arguments":["` + "\xff" + `"]}`},
		"a binary message":               {binary, `{"type":6}`},
		"nesting without end":            {text, `{"type":1,"target":"Note","arguments":[` + strings.Repeat("[", 30_000)},
		"a number beyond all types":      {text, `{"type":1e999}`},
		"a target that is a list":        {text, `{"type":1,"target":["Note"],"arguments":["x"]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				other, c := n.greeted(t, nil), n.greeted(t, nil)
				_ = c.ws.WriteMessage(tt.kind, []byte(tt.send+sep)) // too much is refused before its end
				d.wantBrokenAlone(t, c, other)
			})
		})
	}
}

func TestAMessageWithoutEndIsNotReadToItsEnd(t *testing.T) {
	keep(t, signalr.Options{MaxMessage: 1000}, func(t *testing.T, d *diary, n *network) {
		c := n.greeted(t, nil)
		w, err := c.ws.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil { // the client's socket gives up when the server has closed it
			_, err = w.Write(make([]byte, 1000))
		}
		d.wantEnding(t, false)
	})
}

func TestDisconnectKnowsACleanEndFromABrokenOne(t *testing.T) {
	tests := map[string]struct {
		leave func(c *client)
		clean bool
	}{
		"the client sends Close":             {func(c *client) { c.send(`{"type":7}` + sep) }, true},
		"it closes the socket normally":      {func(c *client) { c.leave(websocket.CloseNormalClosure) }, true},
		"its page goes away":                 {func(c *client) { c.leave(websocket.CloseGoingAway) }, true},
		"it closes the socket with no code":  {func(c *client) { c.leave(websocket.CloseNoStatusReceived) }, true},
		"it closes the socket with an error": {func(c *client) { c.leave(websocket.CloseInternalServerErr) }, false},
		"the line goes dead":                 {func(c *client) { _ = c.ws.NetConn().Close() }, false},
		"it breaks WebSocket":                {func(c *client) { _, _ = c.ws.NetConn().Write([]byte{0xff, 0xff, 0, 0}) }, false},
		"the server ends it":                 {func(c *client) {}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				c := n.greeted(t, nil)
				conn := <-d.conns
				tt.leave(c)
				if name == "the server ends it" {
					conn.Close("", false)
				}
				d.wantEnding(t, tt.clean)
				if conn.Context().Err() == nil {
					t.Error("the connection's context lives on")
				}
			})
		})
	}
}

func TestWhatAClientSentBeforeItLeftIsStillDone(t *testing.T) {
	tests := map[string]func(c *client){
		"with Close":         func(c *client) { c.send(`{"type":7}` + sep) },
		"closing the socket": func(c *client) { c.leave(websocket.CloseNormalClosure) },
		"without a word":     func(c *client) { _ = c.ws.NetConn().Close() },
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				c := n.greeted(t, nil)
				c.send(`{"type":1,"target":"Note","arguments":["one"]}` + sep +
					`{"type":1,"invocationId":"2","target":"Note","arguments":["two"]}` + sep)
				leave(c)
				for _, want := range []string{"one", "two"} {
					if got := <-d.calls; got != want {
						t.Errorf("done: %q, want %q", got, want)
					}
				}
				d.wantEnding(t, name != "without a word")
			})
		})
	}
}

func TestTheServerTellsWhyItCloses(t *testing.T) {
	tests := map[string]struct {
		reason         string
		allowReconnect bool
		want           string
	}{
		"for ever":          {"revoked", false, `{"type":7,"error":"revoked"}`},
		"to come back":      {"new token, please", true, `{"type":7,"error":"new token, please","allowReconnect":true}`},
		"without a reason":  {"", false, `{"type":7}`},
		"and comes back so": {"", true, `{"type":7,"allowReconnect":true}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				c := n.greeted(t, nil)
				conn := <-d.conns
				if err := conn.Send("Last", 1); err != nil {
					t.Fatal(err)
				}
				conn.Close(tt.reason, tt.allowReconnect)
				conn.Close("again", !tt.allowReconnect)
				if err := conn.Send("Late", 2); err != nil {
					t.Fatal(err)
				}
				c.expect(`{"type":1,"target":"Last","arguments":[1]}`, tt.want)
				c.expectEnd()
				d.wantEnding(t, true)
			})
		})
	}
}

func TestClosingCancelsARunningMethod(t *testing.T) {
	keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
		c := n.greeted(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["one"]}` + sep)
		start := time.Now()
		(<-d.conns).Close("", false)
		c.expect(`{"type":7}`)
		c.expectEnd()
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %s", got)
		}
		d.wantEnding(t, true)
	})
}

func TestConnectMayRefuse(t *testing.T) {
	tests := map[string]struct {
		refuse func() error
		want   string
	}{
		"silently":     {func() error { return errors.New("the password is x") }, `{"type":7,"error":"Connection closed with an error."}`},
		"with a word":  {func() error { return signalr.HubError("full") }, `{"type":7,"error":"Connection closed with an error. HubException: full"}`},
		"by a mistake": {func() error { panic("the password is x") }, `{"type":7,"error":"Connection closed with an error."}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				d.OnConnect(func(context.Context, *signalr.Conn) error { return tt.refuse() })
				c := n.open(t, "/hub", nil)
				c.send(`{"protocol":"json","version":1}` + sep + `{"type":1,"target":"Note","arguments":["x"]}` + sep)
				c.expect(`{}`, tt.want)
				c.expectEnd()
				if err := d.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(d.endings)+len(d.calls) != 0 {
					t.Error("a refused connection was served")
				}
			})
		})
	}
}

func TestAPanicInDisconnectEndsNothingElse(t *testing.T) {
	keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
		d.OnDisconnect(func(*signalr.Conn, error) { panic("oh") })
		n.greeted(t, nil).leave(websocket.CloseNormalClosure)
		if err := d.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		n.greeted(t, nil)
	})
}

func TestAClosingHandshakeIsAnswered(t *testing.T) {
	for _, code := range []int{websocket.CloseNormalClosure, websocket.CloseGoingAway, 4000} {
		for name, before := range map[string]string{
			"at rest":                "",
			"while a method runs":    `{"type":1,"target":"Note","arguments":["it"]}` + sep,
			"while a stream goes on": `{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}` + sep,
		} {
			t.Run(fmt.Sprint(code, " ", name), func(t *testing.T) {
				flow(t, func(t *testing.T, _ *river, n *network) {
					c := n.greeted(t, nil)
					if before != "" {
						c.send(before)
						synctest.Wait()
					}
					start := time.Now()
					c.leave(code)
					c.reading.Wait()
					if took := time.Since(start); !websocket.IsCloseError(c.ended, code) || took != 0 {
						t.Errorf("the socket ended with %v after %s, want %d at once", c.ended, took, code)
					}
				})
			})
		}
	}
}

func TestAClosingHandshakeIsAnsweredOverTCP(t *testing.T) {
	r := openRoom(t)
	for range 20 {
		ws := connect(t, r.url+"?access_token=jim", "", 0)
		if err := ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4000, ""), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4000) {
			t.Errorf("the socket ended with %v, want the client's own code", err)
		}
		hangUp(ws)
	}
}
