package signalr

import (
	"slices"
	"sync/atomic"
)

// members knows the connections that take part, by user and by group. The
// fan-out guards it.
type members struct {
	all    group
	spoken [formats]atomic.Int32 // how many connections speak a format
	users  map[string]*group
	groups map[string]*group
}

// group has a run for each format that its members speak.
type group struct {
	name string
	of   map[string]*group // where it is as long as it has members; nil: always
	runs [formats]*run
	size int
}

// member is a connection in a group.
type member struct {
	conn  *Conn
	group *group
	run   *run
	index int   // in run.waiting, or in run.riders
	read  int64 // its progress, if it rides

	riding bool
	spared bool // by what is being sent
}

func (m *members) init() {
	m.users, m.groups = make(map[string]*group), make(map[string]*group)
}

// in finds the connection's membership of a group, nil if there is none.
func (c *Conn) in(g *group) *member {
	for _, m := range c.memberships {
		if m.group == g {
			return m
		}
	}
	return nil
}

// enter makes a member. Being one twice is being one.
func (g *group) enter(c *Conn) {
	if c.in(g) != nil {
		return
	}
	r := g.runs[c.format]
	if r == nil {
		r = &run{format: c.format}
		g.runs[c.format] = r
	}
	m := &member{conn: c, group: g, run: r}
	m.wait()
	g.size++
	c.memberships = append(c.memberships, m)
}

// leave ends a membership. What was sent before still arrives.
func (g *group) leave(c *Conn) {
	m := c.in(g)
	if m == nil {
		return
	}
	if m.riding {
		c.out.dismount()
	}
	m.stopWaiting()
	i := slices.Index(c.memberships, m)
	c.memberships = slices.Delete(c.memberships, i, i+1)
	if g.size--; g.size == 0 {
		delete(g.of, g.name)
	}
}

// spare has what is being sent to the group leave some of its members out. They
// must not ride, for what is appended to the run is read by all who do.
func (g *group) spare(conns []*Conn, spared bool) {
	for _, c := range conns {
		if m := c.in(g); m != nil {
			m.spared = spared
			if m.riding {
				c.out.dismount()
			}
		}
	}
}

// conns are those of the group.
func (g *group) conns() []*Conn {
	all := make([]*Conn, 0, g.size)
	for _, r := range g.runs {
		if r == nil {
			continue
		}
		for _, m := range r.waiting {
			all = append(all, m.conn)
		}
		for _, m := range r.riders.heap {
			all = append(all, m.conn)
		}
	}
	return all
}

// wait has the next frame of the run look the member up.
func (m *member) wait() {
	m.index = len(m.run.waiting)
	m.run.waiting = append(m.run.waiting, m)
}

func (m *member) stopWaiting() {
	last := len(m.run.waiting) - 1
	other := m.run.waiting[last]
	m.run.waiting[m.index], other.index = other, m.index
	m.run.waiting[last] = nil
	m.run.waiting = m.run.waiting[:last]
}

// progress is up to where in the run the member's client has read, if all that
// waits for it were of this run.
func (m *member) progress() int64 { return m.conn.out.place.at - int64(m.conn.out.bytes) }

// of is the group that is an audience, nil if it has no members.
func (m *members) of(a Audience) *group {
	switch a.scope {
	case scopeUser:
		return m.users[a.name]
	case scopeGroup:
		return m.groups[a.name]
	default:
		return &m.all
	}
}

func (m *members) add(c *Conn) {
	m.spoken[c.format].Add(1)
	m.all.enter(c)
	if c.identity.User != "" {
		named(m.users, c.identity.User).enter(c)
	}
}

func (m *members) remove(c *Conn) {
	if c.in(&m.all) != nil {
		m.spoken[c.format].Add(-1)
	}
	for len(c.memberships) > 0 {
		c.memberships[len(c.memberships)-1].group.leave(c)
	}
}

// named finds or makes a group.
func named(groups map[string]*group, name string) *group {
	if groups[name] == nil {
		groups[name] = &group{name: name, of: groups}
	}
	return groups[name]
}

func (f *fanout) join(c *Conn, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.in(&f.members.all) == nil {
		return // it has ended: nobody would take it out again
	}
	named(f.members.groups, name).enter(c)
}

func (f *fanout) leave(c *Conn, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.members.groups[name]; g != nil {
		g.leave(c)
	}
}

// dissolve takes everyone out of the group.
func (f *fanout) dissolve(name string) []*Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.members.groups[name]
	if g == nil {
		return nil
	}
	conns := g.conns()
	for _, c := range conns {
		g.leave(c)
	}
	return conns
}
