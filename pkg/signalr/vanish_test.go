package signalr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/signalr"
)

// loss is the silent loss of a network: nothing arrives any more, and no connection is closed. Bytes
// from the server are either swallowed or left unread.
type loss struct {
	happened chan struct{}
	taken    bool // set before
}

func (l *loss) happen(taken bool) {
	l.taken = taken
	close(l.happened)
}

// unreliable returns the same network for clients that the loss will affect.
func (n *network) unreliable() (*network, *loss) {
	l := &loss{happened: make(chan struct{})}
	return &network{conns: n.conns, done: n.done, loss: l}, l
}

// lossyConn is a client's end of a connection in an unreliable network.
type lossyConn struct {
	net.Conn

	loss   *loss
	closed chan struct{}
	once   sync.Once
}

func (d *lossyConn) lost() bool {
	select {
	case <-d.loss.happened:
		return true
	default:
		return false
	}
}

func (d *lossyConn) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	for err == nil && d.lost() {
		if !d.loss.taken {
			<-d.closed
			return 0, net.ErrClosed
		}
		_, err = d.Conn.Read(p)
		n = 0
	}
	return n, err
}

func (d *lossyConn) Write(p []byte) (int, error) {
	if d.lost() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

func (d *lossyConn) Close() error {
	d.once.Do(func() { close(d.closed) })
	if d.lost() {
		return nil
	}
	return d.Conn.Close()
}

// TestVanishedClientTimesOut has clients vanish in the middle of a call in each direction and a stream
// in each direction. Other clients get all messages meanwhile.
func TestVanishedClientTimesOut(t *testing.T) {
	for name, taken := range map[string]bool{"sent bytes are lost": true, "sent bytes stay unread": false} {
		for _, via := range every {
			t.Run(name+" over "+string(via), func(t *testing.T) {
				withStreams(t, func(t *testing.T, r *streamHub, n *network) { vanishes(t, r, n, via, taken) })
			})
		}
	}
}

func vanishes(t *testing.T, r *streamHub, n *network, via signalr.Transport, taken bool) {
	t.Helper()
	other := n.over(t, via, nil)
	r.Join(<-r.conns, "g")
	network, loss := n.unreliable()
	c := network.over(t, via, nil)
	conn := <-r.conns
	r.Join(conn, "g")
	c.send(ping + `{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}` + sep +
		`{"type":1,"invocationId":"2","target":"Sum","arguments":[0],"streamIds":["a"]}` + sep +
		`{"type":2,"invocationId":"a","item":1}` + sep)
	c.expect(`{"type":2,"invocationId":"1","item":0}`)
	asked := make(chan error, 1)
	c.reading.Go(func() {
		_, err := signalr.Call[string](context.WithoutCancel(t.Context()), conn, "Answer")
		asked <- err
	})
	c.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":[]}`)
	synctest.Wait()

	loss.happen(taken)
	start := time.Now()
	left := time.Duration(0)
	for i := range 90 {
		if err := r.Group("g").Send("Tick", i); err != nil {
			t.Fatal(err)
		}
		other.expect(fmt.Sprintf(`{"type":1,"target":"Tick","arguments":[%d]}`, i))
		if got := time.Since(start); got != time.Duration(i)*time.Second {
			t.Fatalf("another client got tick %d after %s", i, got)
		}
		if len(r.ended) > 0 && left == 0 {
			left = time.Since(start)
		}
		pass(time.Second)
	}
	if left == 0 || left > 32*time.Second {
		t.Fatalf("the client was disconnected after %s, want 30s", left)
	}
	if err := <-r.ended; err == nil {
		t.Error("the client counts as having left by itself")
	}
	if err := <-asked; !errors.Is(err, signalr.ErrEnded) {
		t.Errorf("the call to the client returned %v, want ErrEnded", err)
	}
	if err := <-r.stopped; err == nil {
		t.Error("the context of the stream is not done")
	}
	if got := r.Connections(); got != 1 {
		t.Errorf("got %d connections, want the other client's", got)
	}
	if got := len(r.Dissolve("g")); got != 1 {
		t.Errorf("got %d members, want the other client", got)
	}
}
