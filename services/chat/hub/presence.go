package hub

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley.internal/chat"
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
	// show tells what has changed, each agent once. It must not wait.
	show func([]chat.Presence)
	// left notes who has gone.
	left func(context.Context, []chat.Presence)

	mu      sync.Mutex
	agents  map[string]*attendance
	changed map[string]chat.Presence // since show was called
	budget  budget
}

type attendance struct {
	sockets int
	since   time.Time
	ended   time.Time // when sockets is 0: when the last one did
	leaves  time.Time // and when the agent is gone
}

// budget folds the texts of a burst.
type budget struct {
	second       time.Time // when the current one began
	told         int       // in it
	joined, left int       // to be told when it is over
}

func newPresence(most int) *presence {
	return &presence{
		most: most, agents: make(map[string]*attendance), changed: make(map[string]chat.Presence),
		tell: func(string, *signalr.Conn) {},
		show: func([]chat.Presence) {},
		left: func(context.Context, []chat.Presence) {},
	}
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
		a = &attendance{since: now}
		p.agents[login] = a
		p.changed[login] = chat.Presence{Login: login, State: chat.Online, At: now.UTC()}
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
	a.ended = time.Now()
	a.leaves = a.ended.Add(leaveBroken)
	if clean {
		a.leaves = a.ended.Add(leaveClean)
	}
}

// here lists who is, by login.
func (p *presence) here() []chat.Presence {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]chat.Presence, 0, len(p.agents))
	for login, a := range p.agents {
		all = append(all, chat.Presence{Login: login, State: chat.Online, At: a.since.UTC()})
	}
	slices.SortFunc(all, func(a, b chat.Presence) int { return strings.Compare(a.Login, b.Login) })
	return all
}

// since is since when an agent is here.
func (p *presence) since(login string) (at time.Time, here bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, here := p.agents[login]
	if !here {
		return time.Time{}, false
	}
	return a.since.UTC(), true
}

// follow calls enter with what has changed since somebody was told who is here;
// what changes from then on is shown.
func (p *presence) follow(told []chat.Presence, enter func(changed []chat.Presence)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var changed []chat.Presence
	known := make(map[string]bool, len(told))
	for _, t := range told {
		known[t.Login] = true
		if _, here := p.agents[t.Login]; !here {
			changed = append(changed, chat.Presence{Login: t.Login, State: chat.Offline, At: time.Now().UTC()})
		}
	}
	for login, a := range p.agents {
		if !known[login] {
			changed = append(changed, chat.Presence{Login: login, State: chat.Online, At: a.since.UTC()})
		}
	}
	enter(changed)
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
			texts, left := p.sweep(now)
			for _, text := range texts {
				p.tell(text, nil)
			}
			if len(left) > 0 {
				p.left(ctx, left)
			}
		}
	}
}

func (p *presence) sweep(now time.Time) (texts []string, left []chat.Presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for login, a := range p.agents {
		if a.sockets > 0 || a.leaves.After(now) {
			continue
		}
		delete(p.agents, login)
		gone := chat.Presence{Login: login, State: chat.Offline, At: a.ended.UTC()}
		p.changed[login] = gone
		left = append(left, gone)
		if p.budget.spend(now) {
			texts = append(texts, login+" left chat")
		} else {
			p.budget.left++
		}
	}
	if len(p.changed) > 0 {
		// Under the lock, for the order between this and follow.
		p.show(slices.Collect(maps.Values(p.changed)))
		clear(p.changed)
	}
	return append(texts, p.budget.fold(now)...), left
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
