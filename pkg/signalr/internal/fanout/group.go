package fanout

import (
	"slices"
	"sync/atomic"

	"parley.internal/pkg/signalr/internal/wire"
)

// registry indexes the connections by user and by group. Fanout.mu guards the registry.
type registry struct {
	all     group
	formats [wire.Formats]atomic.Int32 // connections per format
	users   map[string]*group
	groups  map[string]*group
}

// group has a frame log for each format of its members.
type group struct {
	name  string
	index map[string]*group // contains the group while the group has members; nil for all
	logs  [wire.Formats]*frameLog
	size  int
}

// member is a connection in a group. Its index is a position in log.readers if the member is
// reading, and in log.caughtUp otherwise.
type member struct {
	queue *Queue
	group *group
	log   *frameLog
	index int
	read  int64 // progress as of the last change of the heap

	reading  bool
	excluded bool // from the current broadcast
}

// progress returns the offset up to which the client has read, as if all bytes that wait for the
// client came from this log.
func (m *member) progress() int64 { return m.queue.backlog.offset.bytes - int64(m.queue.backlog.bytes) }

// find returns the group of an audience, or nil if the group has no members.
func (r *registry) find(a Audience) *group {
	switch a.Scope {
	case User:
		return r.users[a.Name]
	case Group:
		return r.groups[a.Name]
	default:
		return &r.all
	}
}

// named returns the group of a name and creates the group if necessary.
func named(groups map[string]*group, name string) *group {
	if groups[name] == nil {
		groups[name] = &group{name: name, index: groups}
	}
	return groups[name]
}

func (r *registry) add(q *Queue, user string) {
	r.formats[q.format].Add(1)
	r.all.add(q)
	if user != "" {
		named(r.users, user).add(q)
	}
}

func (r *registry) remove(q *Queue) {
	if q.memberOf(&r.all) != nil {
		r.formats[q.format].Add(-1)
	}
	for len(q.memberships) > 0 {
		q.memberships[len(q.memberships)-1].group.remove(q)
	}
}

// encode returns the frames of a message in the formats that have connections.
func (r *registry) encode(m *wire.Message) (frames [wire.Formats][]byte) {
	for f := range wire.Formats {
		if r.formats[f].Load() > 0 {
			frames[f] = f.Encode(m)
		}
	}
	return frames
}

// add makes a connection a member, unless the connection is a member already.
func (g *group) add(q *Queue) {
	if q.memberOf(g) != nil {
		return
	}
	l := g.logs[q.format]
	if l == nil {
		l = &frameLog{format: q.format}
		g.logs[q.format] = l
	}
	m := &member{queue: q, group: g, log: l}
	l.addCaughtUp(m)
	g.size++
	q.memberships = append(q.memberships, m)
}

// remove ends a membership. Frames sent before are still delivered.
func (g *group) remove(q *Queue) {
	m := q.memberOf(g)
	if m == nil {
		return
	}
	if m.reading {
		q.backlog.stopReading()
	}
	m.log.removeCaughtUp(m)
	i := slices.Index(q.memberships, m)
	q.memberships = slices.Delete(q.memberships, i, i+1)
	if g.size--; g.size == 0 {
		delete(g.index, g.name)
	}
}

// exclude sets whether members are excluded from the current broadcast. Excluded members must not be
// reading: every reader of a log reads all appended frames.
func (g *group) exclude(queues []*Queue, excluded bool) {
	for _, q := range queues {
		if m := q.memberOf(g); m != nil {
			m.excluded = excluded
			if m.reading {
				q.backlog.stopReading()
			}
		}
	}
}

// queues returns the members.
func (g *group) queues() []*Queue {
	all := make([]*Queue, 0, g.size)
	for _, l := range g.logs {
		if l == nil {
			continue
		}
		for _, m := range l.caughtUp {
			all = append(all, m.queue)
		}
		for _, m := range l.readers.heap {
			all = append(all, m.queue)
		}
	}
	return all
}
