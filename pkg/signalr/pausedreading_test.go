package signalr_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// TestLeavingIsNoticedWhileReadingIsPaused has clients leave while their unread stream pauses reading.
func TestLeavingIsNoticedWhileReadingIsPaused(t *testing.T) {
	held := map[string]string{
		"a stream":      `{"type":1,"target":"Ignore","arguments":[],"streamIds":["a"]}` + sep + strings.Repeat(item("a"), 20),
		"many calls":    strings.Repeat(`{"type":1,"target":"Hang","arguments":[]}`+sep, 30),
		"calls in time": strings.Repeat(`{"type":1,"target":"Skip","arguments":[]}`+sep, 30),
	}
	for name, sent := range held {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{CallRate: 10}, func(t *testing.T, d *recorder, n *network) {
				hang := func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}
				d.Handle("Ignore", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, _ signalr.Incoming[int]) error { return hang(ctx) }))
				d.Handle("Hang", signalr.Action0(func(ctx context.Context, _ *signalr.Conn) error { return hang(ctx) }))
				d.Handle("Skip", signalr.Action0(func(context.Context, *signalr.Conn) error { return nil }))
				for how, leave := range map[string]func(p *polled){
					"with DELETE": func(p *polled) {
						if got := n.request(t, http.MethodDelete, "/hub?id="+p.id, nil); got.StatusCode != http.StatusAccepted {
							t.Errorf("DELETE: got %s", got.Status)
						}
					},
					"connection reset": func(*polled) {},
				} {
					p := n.polled(t, d)
					p.reading.Go(func() { p.attempt(sent) })
					synctest.Wait()
					start := time.Now()
					leave(p)
					if err := <-d.ended; (err == nil) != (how == "with DELETE") {
						t.Errorf("%s: the connection ended with %v", how, err)
					}
					if took := time.Since(start); took > 26*time.Second {
						t.Errorf("%s: the end took %s", how, took)
					}
				}
				if err := d.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestEndedEventsAreNoticedWhileReadingIsPaused(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Ignore", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, _ signalr.Incoming[int]) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		c := n.over(t, signalr.ServerSentEvents, nil)
		c.reading.Go(func() {
			c.attempt(`{"type":1,"target":"Ignore","arguments":[],"streamIds":["a"]}` + sep + strings.Repeat(item("a"), 20))
		})
		synctest.Wait()
		start := time.Now()
		c.hangUp()
		if err := <-r.ended; err != nil {
			t.Errorf("the connection ended with %v", err)
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("the end took %s", took)
		}
	})
}

func TestClosedSocketIsNoticedWhileReadingIsPaused(t *testing.T) {
	for name, clean := range map[string]bool{"with a close frame": true, "connection reset": false} {
		t.Run(name, func(t *testing.T) {
			d := newRecorder(signalr.Options{WriteTimeout: time.Second})
			d.Handle("Ignore", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, _ signalr.Incoming[int]) error {
				<-ctx.Done()
				return ctx.Err()
			}))
			r := openHub(t, d)
			ws := connect(t, strings.TrimSuffix(r.url, "/hub"), "", 0)
			frame := `{"type":1,"target":"Ignore","arguments":[],"streamIds":["a"]}` + sep + strings.Repeat(item("a"), 20)
			if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
				t.Fatal(err)
			}
			if clean {
				closing := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
				if err := ws.WriteControl(websocket.CloseMessage, closing, time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			hangUp(ws)
			select {
			case err := <-d.ended:
				if (err == nil) != clean {
					t.Errorf("the connection ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the end was not noticed")
			}
		})
	}
}
