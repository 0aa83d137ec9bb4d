package signalr

import (
	"maps"
	"slices"
	"sync"
)

// members knows the connections that take part, by user and by group.
type members struct {
	mu     sync.RWMutex
	all    set
	users  map[string]set
	groups map[string]set
}

type set map[*Conn]struct{}

// insert and withdraw keep no empty sets: names come and go.
func insert(sets map[string]set, name string, c *Conn) {
	if sets[name] == nil {
		sets[name] = make(set)
	}
	sets[name][c] = struct{}{}
}

func withdraw(sets map[string]set, name string, c *Conn) {
	delete(sets[name], c)
	if len(sets[name]) == 0 {
		delete(sets, name)
	}
}

func (m *members) add(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all, m.users, m.groups = make(set), make(map[string]set), make(map[string]set)
	}
	m.all[c] = struct{}{}
	if c.identity.User != "" {
		insert(m.users, c.identity.User, c)
	}
}

func (m *members) remove(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, c)
	if c.identity.User != "" {
		withdraw(m.users, c.identity.User, c)
	}
	for group := range c.groups {
		withdraw(m.groups, group, c)
	}
	c.groups = nil
}

func (m *members) join(c *Conn, group string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, here := m.all[c]; !here {
		return // it has ended: nobody would take it out again
	}
	if c.groups == nil {
		c.groups = make(map[string]struct{})
	}
	c.groups[group] = struct{}{}
	insert(m.groups, group, c)
}

func (m *members) leave(c *Conn, group string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.withdraw(c, group)
}

// withdraw is for callers that hold mu.
func (m *members) withdraw(c *Conn, group string) {
	delete(c.groups, group)
	withdraw(m.groups, group, c)
}

// send queues the record for each member of the audience. Those too slow for it
// are disconnected after the lock is given back.
func (m *members) send(a Audience, record []byte) {
	if a.behind != nil {
		m.sendWithin(a, record)
		return
	}
	var slow []*Conn
	m.mu.RLock()
	for c := range m.of(a) {
		if !slices.Contains(a.except, c) && !c.queue.put(record) {
			slow = append(slow, c)
		}
	}
	m.mu.RUnlock()
	for _, c := range slow {
		c.tooSlow()
	}
}

// sendWithin queues the record for those who keep up, and takes the others out
// of the group before anything else is sent to it.
func (m *members) sendWithin(a Audience, record []byte) {
	var behind []*Conn
	m.mu.Lock()
	for c := range m.of(a) {
		if !slices.Contains(a.except, c) && !c.queue.offer(record, a.within) {
			behind = append(behind, c)
		}
	}
	if a.scope == scopeGroup {
		for _, c := range behind {
			m.withdraw(c, a.name)
		}
	}
	m.mu.Unlock()
	for _, c := range behind {
		a.behind(c)
	}
}

// dissolve takes everyone out of the group.
func (m *members) dissolve(group string) []*Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	conns := slices.Collect(maps.Keys(m.groups[group]))
	for _, c := range conns {
		m.withdraw(c, group)
	}
	return conns
}

func (m *members) of(a Audience) set {
	switch a.scope {
	case scopeUser:
		return m.users[a.name]
	case scopeGroup:
		return m.groups[a.name]
	default:
		return m.all
	}
}
