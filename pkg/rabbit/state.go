package rabbit

import (
	"maps"
	"slices"
	"strings"
)

// state is how a connection is.
type state struct {
	problem string // in words; "" if it does its work
	untaken string // why what it brings is not taken, in words; "" if it is
	opened  int64
}

// Connection is how one of a transport's connections is.
type Connection struct {
	Name    string // "publishing", the subscription's name, or "listening to …"
	Up      bool   // it does its work
	Blocked bool   // the broker takes no messages
	Opened  int64  // how often it was opened: once, and once more for each time it was lost
}

// Connections are those that run, by name.
func (t *Transport) Connections() []Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Connection
	for _, name := range slices.Sorted(maps.Keys(t.state)) {
		s := t.state[name]
		all = append(all, Connection{
			Name: name, Up: s.problem == "", Blocked: strings.HasPrefix(s.problem, blockedByBroker), Opened: s.opened,
		})
	}
	return all
}

// Degraded says in words what does not work just now, and nothing when all is
// well.
func (t *Transport) Degraded() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for name, s := range t.state {
		if s.problem != "" {
			all = append(all, "broker ("+name+"): "+s.problem)
		}
		if s.untaken != "" {
			all = append(all, name+": "+s.untaken)
		}
	}
	if t.other != "" {
		all = append(all, "broker: "+t.other)
	}
	slices.Sort(all)
	return all
}

// trouble notes what is wrong with a connection; "" is nothing.
func (t *Transport) trouble(name, problem string) {
	t.change(name, func(s *state) { s.problem = problem })
}

// untaken notes why what a connection brings is not taken; "": it is.
func (t *Transport) untaken(name, why string) {
	t.change(name, func(s *state) { s.untaken = why })
}

func (t *Transport) change(name string, do func(*state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state[name] == nil {
		t.state[name] = &state{}
	}
	do(t.state[name])
}

// opened notes that a connection is there again.
func (t *Transport) opened(name string) {
	t.change(name, func(s *state) {
		s.problem = ""
		s.opened++
	})
}

// forget notes that a connection is not wanted any more.
func (t *Transport) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.state, name)
}

// lacking notes what is wrong with the queues of others; "" is nothing.
func (t *Transport) lacking(problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.other = problem
}

func (t *Transport) lacks() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.other != ""
}
