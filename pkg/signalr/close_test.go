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

func TestMalformedMessageClosesOneConnection(t *testing.T) {
	text, binary := websocket.TextMessage, websocket.BinaryMessage
	tests := map[string]struct {
		kind int
		send string
	}{
		"invalid JSON":                       {text, `{"type":`},
		"empty record":                       {text, ``},
		"not an object":                      {text, `[1]`},
		"no type":                            {text, `{"target":"Note","arguments":["x"]}`},
		"type of another JSON type":          {text, `{"type":"1","target":"Note","arguments":["x"]}`},
		"unknown type":                       {text, `{"type":99}`},
		"a call without a target":            {text, `{"type":1,"arguments":[]}`},
		"a call without arguments":           {text, `{"type":1,"target":"Note"}`},
		"arguments without a list":           {text, `{"type":1,"target":"Note","arguments":{}}`},
		"invocation id of another JSON type": {text, `{"type":1,"invocationId":1,"target":"Note","arguments":["x"]}`},
		"stream without an invocation id":    {text, `{"type":4,"target":"Note","arguments":["x"]}`},
		"two messages without separator":     {text, `{"type":6}{"type":6}`},
		"a message too large":                {text, `{"type":6,"x":"` + strings.Repeat("x", 32<<10) + `"}`},
		"text that is not UTF-8":             {text, `{"type":1,"target":"Note","arguments":["` + "\xff" + `"]}`},
		"a binary message":                   {binary, `{"type":6}`},
		"unclosed nesting":                   {text, `{"type":1,"target":"Note","arguments":[` + strings.Repeat("[", 30_000)},
		"number out of range":                {text, `{"type":1e999}`},
		"a target that is a list":            {text, `{"type":1,"target":["Note"],"arguments":["x"]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				other, c := n.handshaken(t, nil), n.handshaken(t, nil)
				_ = c.ws.WriteMessage(tt.kind, []byte(tt.send+sep)) // too large, and rejected before the end
				d.wantOnlyThisBroken(t, c, other)
			})
		})
	}
}

func TestEndlessMessageClosesTheConnection(t *testing.T) {
	withRecorder(t, signalr.Options{MaxMessage: 1000}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		w, err := c.ws.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil { // writing fails once the server has closed the socket
			_, err = w.Write(make([]byte, 1000))
		}
		d.wantEnd(t, false)
	})
}

func TestOnDisconnectGetsAnErrorOnlyForBrokenConnections(t *testing.T) {
	tests := map[string]struct {
		leave func(c *client)
		clean bool
	}{
		"Close message":              {func(c *client) { c.send(`{"type":7}` + sep) }, true},
		"normal close frame":         {func(c *client) { c.leave(websocket.CloseNormalClosure) }, true},
		"close frame going away":     {func(c *client) { c.leave(websocket.CloseGoingAway) }, true},
		"close frame without a code": {func(c *client) { c.leave(websocket.CloseNoStatusReceived) }, true},
		"close frame with an error":  {func(c *client) { c.leave(websocket.CloseInternalServerErr) }, false},
		"connection reset":           {func(c *client) { _ = c.ws.NetConn().Close() }, false},
		"invalid frame":              {func(c *client) { _, _ = c.ws.NetConn().Write([]byte{0xff, 0xff, 0, 0}) }, false},
		"close by the server":        {func(c *client) {}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				c := n.handshaken(t, nil)
				conn := <-d.conns
				tt.leave(c)
				if name == "close by the server" {
					conn.Close("", false)
				}
				d.wantEnd(t, tt.clean)
				if conn.Context().Err() == nil {
					t.Error("the context of the connection is not done")
				}
			})
		})
	}
}

func TestInvocationsBeforeLeavingStillRun(t *testing.T) {
	tests := map[string]func(c *client){
		"Close message":    func(c *client) { c.send(`{"type":7}` + sep) },
		"close frame":      func(c *client) { c.leave(websocket.CloseNormalClosure) },
		"connection reset": func(c *client) { _ = c.ws.NetConn().Close() },
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				c := n.handshaken(t, nil)
				c.send(`{"type":1,"target":"Note","arguments":["one"]}` + sep +
					`{"type":1,"invocationId":"2","target":"Note","arguments":["two"]}` + sep)
				leave(c)
				for _, want := range []string{"one", "two"} {
					if got := <-d.calls; got != want {
						t.Errorf("ran %q, want %q", got, want)
					}
				}
				d.wantEnd(t, name != "connection reset")
			})
		})
	}
}

func TestCloseReasonReachesTheClient(t *testing.T) {
	tests := map[string]struct {
		reason         string
		allowReconnect bool
		want           string
	}{
		"with a reason":                    {"revoked", false, `{"type":7,"error":"revoked"}`},
		"with a reason and reconnect":      {"new token, please", true, `{"type":7,"error":"new token, please","allowReconnect":true}`},
		"without a reason":                 {"", false, `{"type":7}`},
		"without a reason, with reconnect": {"", true, `{"type":7,"allowReconnect":true}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				c := n.handshaken(t, nil)
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
				d.wantEnd(t, true)
			})
		})
	}
}

func TestCloseCancelsARunningMethod(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["one"]}` + sep)
		start := time.Now()
		(<-d.conns).Close("", false)
		c.expect(`{"type":7}`)
		c.expectEnd()
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %s", got)
		}
		d.wantEnd(t, true)
	})
}

func TestOnConnectErrorClosesTheConnection(t *testing.T) {
	tests := map[string]struct {
		connect func() error
		want    string
	}{
		"an error":   {func() error { return errors.New("the password is x") }, `{"type":7,"error":"Connection closed with an error."}`},
		"a HubError": {func() error { return signalr.HubError("full") }, `{"type":7,"error":"Connection closed with an error. HubException: full"}`},
		"a panic":    {func() error { panic("the password is x") }, `{"type":7,"error":"Connection closed with an error."}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				d.OnConnect(func(context.Context, *signalr.Conn) error { return tt.connect() })
				c := n.open(t, "/hub", nil)
				c.send(`{"protocol":"json","version":1}` + sep + `{"type":1,"target":"Note","arguments":["x"]}` + sep)
				c.expect(`{}`, tt.want)
				c.expectEnd()
				if err := d.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(d.ended)+len(d.calls) != 0 {
					t.Error("OnDisconnect ran for a rejected connection")
				}
			})
		})
	}
}

func TestPanicInOnDisconnectIsContained(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		d.OnDisconnect(func(*signalr.Conn, error) { panic("oh") })
		n.handshaken(t, nil).leave(websocket.CloseNormalClosure)
		if err := d.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		n.handshaken(t, nil)
	})
}

func TestCloseFrameIsAnswered(t *testing.T) {
	for _, code := range []int{websocket.CloseNormalClosure, websocket.CloseGoingAway, 4000} {
		for name, before := range map[string]string{
			"at rest":                "",
			"while a method runs":    `{"type":1,"target":"Note","arguments":["it"]}` + sep,
			"while a stream goes on": `{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}` + sep,
		} {
			t.Run(fmt.Sprint(code, " ", name), func(t *testing.T) {
				withStreams(t, func(t *testing.T, _ *streamHub, n *network) {
					c := n.handshaken(t, nil)
					if before != "" {
						c.send(before)
						synctest.Wait()
					}
					start := time.Now()
					c.leave(code)
					c.reading.Wait()
					if took := time.Since(start); !websocket.IsCloseError(c.ended, code) || took != 0 {
						t.Errorf("the socket closed with %v after %s, want %d at once", c.ended, took, code)
					}
				})
			})
		}
	}
}

func TestCloseFrameIsAnsweredOverTCP(t *testing.T) {
	r := openLiveHub(t)
	for range 20 {
		ws := connect(t, r.url+"?access_token=jim", "", 0)
		if err := ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4000, ""), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4000) {
			t.Errorf("the socket closed with %v, want the client's code", err)
		}
		hangUp(ws)
	}
}
