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
	offlineAfterClose = 3 * time.Second  // from the clean close of an agent's last connection to offline
	offlineAfterBreak = 15 * time.Second // from a break: the browser is trying to reconnect
	maxTextRate       = 20               // texts per second; further texts are folded
	sweepInterval     = 250 * time.Millisecond
)

// presence tracks the agents of this node, and announces changes. An agent goes online
// with the first connection, and offline some time after the end of the last: a reconnect
// within this time is not announced.
type presence struct {
	maxConnections int // per agent; 0: no limit
	// broadcastText sends a text to all connections except the given; nil: to all.
	broadcastText func(text string, except *signalr.Conn)
	// publish sends changes, each agent once. publish is called under the lock and must
	// not block.
	publish func([]chat.Presence)
	// offline stores the agents who went offline.
	offline func(context.Context, []chat.Presence)

	mu      sync.Mutex
	agents  map[string]*onlineAgent
	changes map[string]chat.Presence // not published yet, by login
	texts   textLimit
}

// instant returns a time in the precision of the contract: UTC, microseconds.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

type onlineAgent struct {
	connections  int
	since        time.Time
	disconnected time.Time // when the last connection ended; valid without connections
	offlineAt    time.Time // when the agent goes offline; valid without connections
}

func newPresence(maxConnections int) *presence {
	return &presence{
		maxConnections: maxConnections,
		agents:         make(map[string]*onlineAgent),
		changes:        make(map[string]chat.Presence),
		broadcastText:  func(string, *signalr.Conn) {},
		publish:        func([]chat.Presence) {},
		offline:        func(context.Context, []chat.Presence) {},
	}
}

// connected counts a connection, and returns a text to announce. An agent at the limit is
// not counted and not admitted.
func (p *presence) connected(login string, now time.Time) (text string, admitted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	agent, online := p.agents[login]
	if !online {
		agent = &onlineAgent{since: now}
		p.agents[login] = agent
		p.changes[login] = chat.Presence{Login: login, State: chat.Online, At: instant(now)}
	}
	if p.maxConnections > 0 && agent.connections >= p.maxConnections {
		return "", false
	}
	agent.connections++
	if online {
		return "", true
	}
	if !p.texts.allow(now) {
		p.texts.joined++
		return "", true
	}
	return login + " join chat", true
}

// disconnected counts the end of a connection.
func (p *presence) disconnected(login string, clean bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	agent := p.agents[login]
	agent.connections--
	agent.disconnected = time.Now()
	agent.offlineAt = agent.disconnected.Add(offlineAfterBreak)
	if clean {
		agent.offlineAt = agent.disconnected.Add(offlineAfterClose)
	}
}

// online lists the agents who are online, by login.
func (p *presence) online() []chat.Presence {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]chat.Presence, 0, len(p.agents))
	for login, agent := range p.agents {
		all = append(all, chat.Presence{Login: login, State: chat.Online, At: instant(agent.since)})
	}
	slices.SortFunc(all, func(a, b chat.Presence) int { return strings.Compare(a.Login, b.Login) })
	return all
}

func (p *presence) onlineSince(login string) (at time.Time, online bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	agent, online := p.agents[login]
	if !online {
		return time.Time{}, false
	}
	return instant(agent.since), true
}

// follow calls joined with the changes since a list of online agents. Later changes are
// published.
func (p *presence) follow(listed []chat.Presence, joined func(changes []chat.Presence)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var changes []chat.Presence
	known := make(map[string]bool, len(listed))
	for _, l := range listed {
		known[l.Login] = true
		if _, online := p.agents[l.Login]; !online {
			changes = append(changes, chat.Presence{Login: l.Login, State: chat.Offline, At: instant(time.Now())})
		}
	}
	for login, agent := range p.agents {
		if !known[login] {
			changes = append(changes, chat.Presence{Login: login, State: chat.Online, At: instant(agent.since)})
		}
	}
	joined(changes)
}

// run sweeps until ctx ends or drain is closed.
func (p *presence) run(ctx context.Context, drain <-chan struct{}) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-drain:
			return
		case now := <-ticker.C:
			texts, offline := p.sweep(now)
			for _, text := range texts {
				p.broadcastText(text, nil)
			}
			if len(offline) > 0 {
				p.offline(ctx, offline)
			}
		}
	}
}

// sweep removes agents who went offline and publishes all changes.
func (p *presence) sweep(now time.Time) (texts []string, offline []chat.Presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for login, agent := range p.agents {
		if agent.connections > 0 || agent.offlineAt.After(now) {
			continue
		}
		delete(p.agents, login)
		change := chat.Presence{Login: login, State: chat.Offline, At: instant(agent.disconnected)}
		p.changes[login] = change
		offline = append(offline, change)
		if p.texts.allow(now) {
			texts = append(texts, login+" left chat")
		} else {
			p.texts.left++
		}
	}
	if len(p.changes) > 0 {
		// Under the lock, to keep the order between this and follow.
		p.publish(slices.Collect(maps.Values(p.changes)))
		clear(p.changes)
	}
	return append(texts, p.texts.fold(now)...), offline
}

// textLimit limits the rate of texts. Texts beyond the limit are counted and folded.
type textLimit struct {
	second       time.Time // start of the current second
	count        int       // texts of the current second
	joined, left int       // texts beyond the limit
}

func (l *textLimit) allow(now time.Time) bool {
	if now.Sub(l.second) >= time.Second {
		l.second, l.count = now, 0
	}
	l.count++
	return l.count <= maxTextRate
}

// fold returns the folded texts once the second is over.
func (l *textLimit) fold(now time.Time) (texts []string) {
	if now.Sub(l.second) < time.Second {
		return nil
	}
	if l.joined > 0 {
		texts = append(texts, moreAgents(l.joined)+" join chat")
	}
	if l.left > 0 {
		texts = append(texts, moreAgents(l.left)+" left chat")
	}
	l.joined, l.left = 0, 0
	return texts
}

func moreAgents(n int) string {
	if n == 1 {
		return "1 more agent"
	}
	return strconv.Itoa(n) + " more agents"
}
