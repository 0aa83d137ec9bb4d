package rabbit

import "sync"

// mostInHand bounds the bytes that a subscription has in hand, of all its queues:
// then it reads nothing more from the broker. A prefetch cannot do that alone.
// The broker counts messages, and sends as many large ones as it may send small
// ones before anybody here knows their size. What it cannot send for half a minute
// it takes back, with the connection; the next one begins with few.
const mostInHand = 32 << 20

// gate stops who reads while more is in hand than mostInHand. The zero gate is
// open. What was read before it shut is in hand, too: a message, and what the
// library has not passed on yet.
type gate struct {
	mu    sync.Mutex
	bytes int64
	open  chan struct{} // closed when it opens again; nil: it is open
	shut  int64         // how often it was shut
	ended bool          // it stays open
}

// add notes that so many bytes more are in hand, or less.
func (g *gate) add(bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes += bytes
	switch {
	case g.bytes > mostInHand && g.open == nil && !g.ended:
		g.open = make(chan struct{})
		g.shut++
	case g.bytes <= mostInHand:
		g.release()
	default:
	}
}

func (g *gate) release() {
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// pass waits until the gate is open, and reports whether it had to.
func (g *gate) pass() (waited bool) {
	for {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return waited
		}
		<-open
		waited = true
	}
}

// end opens the gate for ever.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.release()
}

// state is whether the gate is open, and how often it was shut.
func (g *gate) state() (isOpen bool, shut int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open == nil, g.shut
}
