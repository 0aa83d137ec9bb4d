package rabbit

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Connection is the state of one connection.
type Connection struct {
	Name    string // "publishing", the subscription's name, or "listening to …"
	Up      bool   // established, and not blocked
	Blocked bool   // by a resource alarm of the broker (memory, disk)
	Opened  int64  // connections opened so far: 1, and 1 more after each loss
}

// problem is a kind of problem: its sentence for operators, with the connection's name and a
// reason.
type problem string

const (
	problemDown     problem = "broker connection %q is down: %s"
	problemBlocked  problem = "broker connection %q is blocked by a resource alarm: %s"
	problemReceive  problem = "consumer %q cannot store its events: %s"
	problemTopology problem = "broker: %[2]s" // queues of other services with other arguments
)

// connectionState is the state of one connection.
type connectionState struct {
	opened   int64
	problems map[problem]string // the reasons of the present problems
}

// status holds the state of all connections of a client.
type status struct {
	mu          sync.Mutex
	connections map[string]*connectionState
}

// report records a problem of a connection; the reason "" ends the problem. A connection that is no
// longer down was opened.
func (s *status) report(name string, p problem, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.connections[name]
	if c == nil {
		c = &connectionState{problems: make(map[problem]string)}
		s.connections[name] = c
	}
	c.problems[p] = reason
	if reason == "" {
		delete(c.problems, p)
		if p == problemDown {
			c.opened++
		}
	}
}

// remove drops an unwanted connection.
func (s *status) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, name)
}

// Connections returns the state of the connections, sorted by name: one for a publisher's Run, and
// one for each running subscription or listener.
func (s *status) Connections() (all []Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.connections)) {
		c := s.connections[name]
		isDown, isBlocked := c.problems[problemDown] != "", c.problems[problemBlocked] != ""
		all = append(all, Connection{Name: name, Up: !isDown && !isBlocked, Blocked: isBlocked, Opened: c.opened})
	}
	return all
}

// Degraded describes the present problems, one sentence each.
func (s *status) Degraded() (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.connections {
		for p, reason := range c.problems {
			problems = append(problems, fmt.Sprintf(string(p), name, reason))
		}
	}
	slices.Sort(problems)
	return problems
}
