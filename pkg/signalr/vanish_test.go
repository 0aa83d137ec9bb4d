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

// loss is what becomes of a network without a word: nothing arrives any more,
// and nobody closes anything. What the server sends is taken by somebody on the
// way, or by nobody.
type loss struct {
	happened chan struct{}
	taken    bool // set before
}

func (l *loss) happen(taken bool) {
	l.taken = taken
	close(l.happened)
}

// fragile is the same network for clients that it will lose.
func (n *network) fragile() (*network, *loss) {
	l := &loss{happened: make(chan struct{})}
	return &network{conns: n.conns, done: n.done, loss: l}, l
}

// doomed is a client's end of a connection in a fragile network.
type doomed struct {
	net.Conn

	loss   *loss
	closed chan struct{}
	once   sync.Once
}

func (d *doomed) lost() bool {
	select {
	case <-d.loss.happened:
		return true
	default:
		return false
	}
}

func (d *doomed) Read(p []byte) (int, error) {
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

func (d *doomed) Write(p []byte) (int, error) {
	if d.lost() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

func (d *doomed) Close() error {
	d.once.Do(func() { close(d.closed) })
	if d.lost() {
		return nil
	}
	return d.Conn.Close()
}

// TestAClientWhoseNetworkVanishesIsLeft has clients vanish while they call, send
// a stream, hear one and are asked something, and others hear all meanwhile.
func TestAClientWhoseNetworkVanishesIsLeft(t *testing.T) {
	for name, taken := range map[string]bool{"what it is sent is lost": true, "what it is sent waits": false} {
		for _, via := range every {
			t.Run(name+" over "+string(via), func(t *testing.T) {
				flow(t, func(t *testing.T, r *river, n *network) { vanishes(t, r, n, via, taken) })
			})
		}
	}
}

func vanishes(t *testing.T, r *river, n *network, via signalr.Transport, taken bool) {
	t.Helper()
	other := n.over(t, via, nil)
	r.Join(<-r.conns, "g")
	network, loss := n.fragile()
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
			t.Fatalf("another client heard tick %d after %s", i, got)
		}
		if len(r.endings) > 0 && left == 0 {
			left = time.Since(start)
		}
		pass(time.Second)
	}
	if left == 0 || left > 32*time.Second {
		t.Fatalf("it was left after %s, want 30s", left)
	}
	if err := <-r.endings; err == nil {
		t.Error("it is said to have left of itself")
	}
	if err := <-asked; !errors.Is(err, signalr.ErrEnded) {
		t.Errorf("who asked it got %v", err)
	}
	if err := <-r.stopped; err == nil {
		t.Error("its stream does not know")
	}
	if got := r.Connections(); got != 1 {
		t.Errorf("%d connections are left, want the other one", got)
	}
	if got := len(r.Dissolve("g")); got != 1 {
		t.Errorf("%d members are left, want the other one", got)
	}
}
