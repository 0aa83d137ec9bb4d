package signalr_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

func TestStalledClientDelaysNoOther(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 10_000}, func(t *testing.T, d *recorder, n *network) {
		stalled := n.stalled(t, "/hub", nil)
		stalled.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := stalled.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		other := n.handshaken(t, nil)
		<-d.conns

		start := time.Now()
		for i := range 1000 {
			if err := d.All().Send("Number", i, "some text to fill the backlog"); err != nil {
				t.Fatal(err)
			}
			if got := <-other.records; got == "" {
				t.Fatal("got an empty record")
			}
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("the other client waited %s", got)
		}
		if conn.Context().Err() == nil {
			t.Error("the stalled connection has not ended")
		}
		if err := <-d.ended; err == nil {
			t.Error("the stalled connection ended cleanly")
		}
		pass(10 * time.Second)
		synctest.Wait()
		if got := d.Connections(); got != 1 {
			t.Errorf("got %d connections, want the other client's", got)
		}
	})
}

func TestSlowClientIsToldToReconnect(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 1000}, func(t *testing.T, d *recorder, n *network) {
		slow := n.stalled(t, "/hub", nil)
		slow.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := slow.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		for i := range 100 {
			if err := conn.Send("Number", i); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first is being written, the others wait
		}
		var got []string
		for {
			_, data, err := slow.ws.ReadMessage()
			if err != nil {
				break
			}
			got = append(got, string(data))
		}
		want := []string{
			`{"type":1,"target":"Number","arguments":[0]}` + sep,
			`{"type":7,"error":"The client reads too slowly.","allowReconnect":true}` + sep,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		d.wantEnd(t, false)
	})
}

func TestStalledWriteTimesOut(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.stalled(t, "/hub", nil)
		c.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := c.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		start := time.Now()
		if err := conn.Send("Hello"); err != nil {
			t.Fatal(err)
		}
		d.wantEnd(t, false)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("disconnected after %s, want 10s", got)
		}
	})
}
