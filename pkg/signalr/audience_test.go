package signalr_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// named identifies each client by its User header.
var named = signalr.Options{Identify: func(r *http.Request) (signalr.Identity, error) {
	return signalr.Identity{User: r.Header.Get("User")}, nil
}}

func as(user string) http.Header { return http.Header{"User": {user}} }

func TestAudienceReachesItsMembers(t *testing.T) {
	tests := map[string]struct {
		to   func(h *signalr.Hub, conns []*signalr.Conn) signalr.Audience
		want []bool // jim, jim again, anna, nobody
	}{
		"all":                     {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.All() }, []bool{true, true, true, true}},
		"a user, on each device":  {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.User("jim") }, []bool{true, true, false, false}},
		"an absent user":          {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.User("bob") }, []bool{false, false, false, false}},
		"the empty user":          {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.User("") }, []bool{false, false, false, false}},
		"a group":                 {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.Group("g") }, []bool{true, false, true, false}},
		"a group after Leave":     {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.Group("left") }, []bool{false, false, false, false}},
		"an unknown group":        {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.Group("x") }, []bool{false, false, false, false}},
		"the others":              {func(h *signalr.Hub, c []*signalr.Conn) signalr.Audience { return h.Others(c[1]) }, []bool{true, false, true, true}},
		"all except nil":          {func(h *signalr.Hub, _ []*signalr.Conn) signalr.Audience { return h.All().Except(nil) }, []bool{true, true, true, true}},
		"a group with exceptions": {func(h *signalr.Hub, c []*signalr.Conn) signalr.Audience { return h.Group("g").Except(c[0], c[1]) }, []bool{false, false, true, false}},
		"the zero audience":       {func(*signalr.Hub, []*signalr.Conn) signalr.Audience { return signalr.Audience{} }, []bool{false, false, false, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
				var clients []*client
				var conns []*signalr.Conn
				for _, user := range []string{"jim", "jim", "anna", ""} {
					clients = append(clients, n.handshaken(t, as(user)))
					conns = append(conns, <-d.conns)
				}
				d.Join(conns[0], "g")
				d.Join(conns[0], "g")
				d.Join(conns[2], "g")
				d.Join(conns[3], "left")
				d.Leave(conns[3], "left")
				d.Leave(conns[3], "never joined")

				if err := tt.to(d.Hub, conns).Send("Hello", "<b>", 1); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for i, c := range clients {
					if tt.want[i] {
						c.expect(`{"type":1,"target":"Hello","arguments":["<b>",1]}`)
					}
					c.expectNothing()
				}
			})
		})
	}
}

func TestClosedConnectionBelongsToNoAudience(t *testing.T) {
	withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, as("jim"))
		conn := <-d.conns
		d.Join(conn, "g")
		c.leave(websocket.CloseNormalClosure)
		d.wantEnd(t, true)

		d.Join(conn, "g")
		d.Leave(conn, "g")
		for _, a := range []signalr.Audience{d.All(), d.User("jim"), d.Group("g")} {
			if err := a.Send("Hello"); err != nil {
				t.Error(err)
			}
		}
		if err := conn.Send("Hello"); err != nil {
			t.Error(err)
		}
		conn.Close("late", true)
	})
}

func TestEncodingErrorIsReturnedToTheSender(t *testing.T) {
	withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, as("jim"))
		if err := d.All().Send("Hello", func() {}); err == nil {
			t.Error("got no error for a function sent to all")
		}
		if err := (<-d.conns).Send("Hello", make(chan int)); err == nil {
			t.Error("got no error for a channel sent to one client")
		}
		c.expectNothing()
	})
}

func TestMessagesOfASenderArriveInOrder(t *testing.T) {
	withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
		const senders, messages = 4, 200
		var clients []*client
		var conns []*signalr.Conn
		for range 3 {
			clients = append(clients, n.handshaken(t, as("jim")))
			conns = append(conns, <-d.conns)
			d.Join(conns[len(conns)-1], "g")
		}
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for i := range messages {
					switch i % 4 {
					case 0:
						_ = d.All().Send("N", s, i)
					case 1:
						_ = d.Group("g").Send("N", s, i)
					case 2:
						_ = d.User("jim").Send("N", s, i)
					default:
						for _, c := range conns {
							_ = c.Send("N", s, i)
						}
					}
				}
			})
		}
		sending.Wait()
		for _, c := range clients {
			next := make([]int, senders)
			for range senders * messages {
				var s, i int
				record := <-c.records
				if _, err := fmt.Sscanf(record, `{"type":1,"target":"N","arguments":[%d,%d]}`, &s, &i); err != nil {
					t.Fatalf("%s: %v", record, err)
				}
				if i != next[s] {
					t.Fatalf("sender %d: got %d, want %d", s, i, next[s])
				}
				next[s]++
			}
		}
	})
}

func TestLaggingClientLeavesTheGroupAndStaysConnected(t *testing.T) {
	withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
		slow := n.stalled(t, "/hub", as("slow"))
		slow.send(`{"protocol":"json","version":1}` + sep)
		if _, answer, err := slow.ws.ReadMessage(); err != nil || string(answer) != "{}"+sep {
			t.Fatalf("got %q, error %v", answer, err)
		}
		slowConn := <-d.conns
		fast := n.handshaken(t, as("fast"))
		fastConn := <-d.conns
		var behind []*signalr.Conn
		group := d.Group("g").Within(100, func(c *signalr.Conn) { behind = append(behind, c) })
		for _, c := range []*signalr.Conn{slowConn, fastConn} {
			d.Join(c, "g")
		}
		long := strings.Repeat("x", 40) // Two of them are too much.
		for i := range 5 {
			if err := group.Send("N", i, long); err != nil {
				t.Fatal(err)
			}
			fast.expect(fmt.Sprintf(`{"type":1,"target":"N","arguments":[%d,%q]}`, i, long))
			synctest.Wait() // Bytes being written count as waiting.
		}
		if len(behind) != 1 || behind[0] != slowConn {
			t.Fatalf("got %d lagging connections, want only the slow one", len(behind))
		}
		if fits, err := slowConn.SendWithin(100, "N", long); fits || err != nil {
			t.Errorf("another message fits: %t, error %v; want false", fits, err)
		}
		if err := slowConn.Send("Behind"); err != nil {
			t.Fatal(err)
		}
		slow.records, slow.pings = make(chan string, 100), make(chan time.Time, 100)
		slow.reading.Go(slow.read)
		slow.expect(fmt.Sprintf(`{"type":1,"target":"N","arguments":[0,%q]}`, long), `{"type":1,"target":"Behind","arguments":[]}`)
		slow.expectNothing()
		d.Join(slowConn, "g")
		if err := group.Send("Again"); err != nil {
			t.Fatal(err)
		}
		slow.expect(`{"type":1,"target":"Again","arguments":[]}`)
		if fits, err := slowConn.SendWithin(100, "Here"); !fits || err != nil {
			t.Errorf("a message fits: %t, error %v; want true", fits, err)
		}
		slow.expect(`{"type":1,"target":"Here","arguments":[]}`)
	})
}

// TestLaggingClientsAreFoundAtAnyDistance has many clients with different amounts of unread messages.
func TestLaggingClientsAreFoundAtAnyDistance(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		const clients, step = 40, 1000
		sockets := make([]*client, clients)
		size := func(i int) int { return i * 7 % clients * step } // in no order
		for i := range sockets {
			c := n.stalled(t, "/hub", nil)
			c.send(`{"protocol":"json","version":1}` + sep)
			c.readCall()
			if err := (<-d.conns).Send("Own", strings.Repeat("x", size(i))); err != nil {
				t.Fatal(err)
			}
			sockets[i] = c
		}
		wantBehind := func(steps int, reads func(i int) bool) {
			t.Helper()
			want, got := 0, 0
			for i := range sockets {
				if size(i) > steps*step && !reads(i) {
					want++
				}
			}
			audience := d.All().Within(steps*step+step/2, func(*signalr.Conn) { got++ })
			if err := audience.Send("Probe"); err != nil || got != want {
				t.Errorf("got %d clients at least %d steps behind, want %d; error %v", got, steps, want, err)
			}
		}
		synctest.Wait()
		if err := d.All().Send("All"); err != nil {
			t.Fatal(err)
		}
		for _, steps := range []int{38, 20, 1} {
			wantBehind(steps, func(int) bool { return false })
		}
		for i, c := range sockets {
			if i%3 == 0 {
				c.readCall()
			}
		}
		synctest.Wait()
		for _, steps := range []int{30, 1} {
			wantBehind(steps, func(i int) bool { return i%3 == 0 })
		}
	})
}

// readCall reads a message.
func (c *client) readCall() {
	c.t.Helper()
	if _, _, err := c.ws.ReadMessage(); err != nil {
		c.t.Fatal(err)
	}
}

func TestDissolvedGroupIsEmpty(t *testing.T) {
	withRecorder(t, named, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, as("jim"))
		conn := <-d.conns
		d.Join(conn, "g")
		d.Join(conn, "other")
		if who := d.Dissolve("g"); len(who) != 1 || who[0] != conn {
			t.Errorf("the group had the members %v", who)
		}
		if who := d.Dissolve("g"); len(who) != 0 {
			t.Errorf("the dissolved group has the members %v", who)
		}
		if err := errors.Join(d.Group("g").Send("Lost"), d.Group("other").Send("Kept")); err != nil {
			t.Fatal(err)
		}
		c.expect(`{"type":1,"target":"Kept","arguments":[]}`)
		c.expectNothing()
	})
}
