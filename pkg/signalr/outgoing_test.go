package signalr

import (
	"strings"
	"testing"
)

// TestWhatWaitsForAClientKeepsLittleElse has a group hear much that one of its
// members, which does not read, is left out of.
func TestWhatWaitsForAClientKeepsLittleElse(t *testing.T) {
	h := New(Options{})
	f := &h.fanout
	slow, other := newConn(h, newTicket(), WebSockets, Identity{}), newConn(h, newTicket(), WebSockets, Identity{})
	for _, c := range []*Conn{slow, other} {
		defer c.stop()
		f.members.add(c)
		f.join(c, "g")
		c.out.state = blocking // and nobody writes
	}
	long := strings.Repeat("x", 8<<10)
	read := 0
	for i := range 2000 {
		a, text := h.Group("g"), "short"
		if i%8 != 0 {
			a, text = a.Except(slow), long
		}
		if err := a.Send("Told", text); err != nil {
			t.Fatal(err)
		}
		_, n := other.out.take(nil, batchSize) // It is one message behind, always.
		other.out.wrote(read)
		read = n
	}
	kept := 0
	for _, piece := range slow.out.frames {
		kept += cap(piece)
	}
	if waiting := slow.out.waiting(); waiting < 250*len("short") || kept > 2*waiting {
		t.Errorf("%d bytes wait, and keep %d", waiting, kept)
	}
}
