package hub

import (
	"context"
	"strconv"
	"sync"
	"time"

	"parley.internal/pkg/signalr"
)

const (
	leaveClean  = 3 * time.Second  // from the end of an agent's last socket to "left", if it closed
	leaveBroken = 15 * time.Second // if it broke: the agent's browser is trying to come back
	tellMost    = 20               // texts a second; the others are folded into one
	sweepEvery  = 250 * time.Millisecond
)

// presence knows which agents are here, and tells the others when that
// changes. An agent is here with the first of their sockets, and until some
// time after the last: who is back within that time never left.
type presence struct {
	most int // sockets of one agent; 0: no bound
	// tell sends a text to everyone but one connection, which may be nil.
	tell func(text string, except *signalr.Conn)

	mu     sync.Mutex
	agents map[string]*attendance
	budget budget
}

type attendance struct {
	sockets int
	leaves  time.Time // when sockets is 0
}

// budget folds the texts of a burst.
type budget struct {
	second       time.Time // when the current one began
	told         int       // in it
	joined, left int       // to be told when it is over
}

func newPresence(most int, tell func(string, *signalr.Conn)) *presence {
	return &presence{most: most, tell: tell, agents: make(map[string]*attendance)}
}

// connected counts a socket. It reports false, and counts nothing, when the
// agent has as many as they may.
func (p *presence) connected(c *signalr.Conn) bool {
	text, ok := p.join(c.User(), time.Now())
	if text != "" {
		p.tell(text, c)
	}
	return ok
}

func (p *presence) join(login string, now time.Time) (text string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, here := p.agents[login]
	if !here {
		a = &attendance{}
		p.agents[login] = a
	}
	if p.most > 0 && a.sockets >= p.most {
		return "", false
	}
	a.sockets++
	if here {
		return "", true
	}
	if !p.budget.spend(now) {
		p.budget.joined++
		return "", true
	}
	return login + " join chat", true
}

// disconnected counts a socket that has ended.
func (p *presence) disconnected(login string, clean bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.agents[login]
	a.sockets--
	a.leaves = time.Now().Add(leaveBroken)
	if clean {
		a.leaves = time.Now().Add(leaveClean)
	}
}

// run tells who has left, until ctx ends or drain is closed.
func (p *presence) run(ctx context.Context, drain <-chan struct{}) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-drain:
			return
		case now := <-sweep.C:
			for _, text := range p.sweep(now) {
				p.tell(text, nil)
			}
		}
	}
}

func (p *presence) sweep(now time.Time) (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for login, a := range p.agents {
		if a.sockets > 0 || a.leaves.After(now) {
			continue
		}
		delete(p.agents, login)
		if p.budget.spend(now) {
			texts = append(texts, login+" left chat")
		} else {
			p.budget.left++
		}
	}
	return append(texts, p.budget.fold(now)...)
}

// spend reports whether one more text may be told in this second.
func (b *budget) spend(now time.Time) bool {
	if now.Sub(b.second) >= time.Second {
		b.second, b.told = now, 0
	}
	b.told++
	return b.told <= tellMost
}

// fold is what is left to tell of a second that is over.
func (b *budget) fold(now time.Time) (texts []string) {
	if now.Sub(b.second) < time.Second {
		return nil
	}
	if b.joined > 0 {
		texts = append(texts, agents(b.joined)+" join chat")
	}
	if b.left > 0 {
		texts = append(texts, agents(b.left)+" left chat")
	}
	b.joined, b.left = 0, 0
	return texts
}

func agents(n int) string {
	if n == 1 {
		return "1 more agent"
	}
	return strconv.Itoa(n) + " more agents"
}
