package rabbit

import (
	"maps"
	"slices"
	"strings"
)

// state is how a connection is.
type state struct {
	problem string // in words; "" if it does its work
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
	}
	if t.other != "" {
		all = append(all, "broker: "+t.other)
	}
	slices.Sort(all)
	return all
}

// trouble notes what is wrong with a connection; "" is nothing.
func (t *Transport) trouble(name, problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state[name] == nil {
		t.state[name] = &state{}
	}
	t.state[name].problem = problem
}

// opened notes that a connection is there again.
func (t *Transport) opened(name string) {
	t.trouble(name, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state[name].opened++
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
