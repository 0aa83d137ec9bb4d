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

// connectionState is the state of one connection, with the reasons for operators.
type connectionState struct {
	down         string // "" while established
	blocked      string // the broker's reason; "" while not blocked
	receiveError string // of the last batch; "" once a batch was received
	topology     error  // queues of other services with other arguments on the broker
	opened       int64
}

// status holds the state of all connections of a client.
type status struct {
	mu          sync.Mutex
	connections map[string]*connectionState
}

func (s *status) update(name string, change func(*connectionState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connections == nil {
		s.connections = make(map[string]*connectionState)
	}
	if s.connections[name] == nil {
		s.connections[name] = &connectionState{}
	}
	change(s.connections[name])
}

func (s *status) up(name string) {
	s.update(name, func(c *connectionState) {
		c.down, c.blocked = "", ""
		c.opened++
	})
}

func (s *status) down(name, reason string) {
	s.update(name, func(c *connectionState) { c.down, c.blocked = reason, "" })
}

// remove drops an unwanted connection.
func (s *status) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, name)
}

// list returns the connections, sorted by name.
func (s *status) list() (all []Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.connections)) {
		c := s.connections[name]
		all = append(all, Connection{
			Name: name, Up: c.down == "" && c.blocked == "", Blocked: c.blocked != "", Opened: c.opened,
		})
	}
	return all
}

// degraded describes every present problem in one sentence for an operator.
func (s *status) degraded() (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.connections {
		switch {
		case c.down != "":
			problems = append(problems, fmt.Sprintf("broker connection %q is down: %s", name, c.down))
		case c.blocked != "":
			problems = append(problems, fmt.Sprintf("broker connection %q is blocked by a resource alarm: %s", name, c.blocked))
		}
		if c.receiveError != "" {
			problems = append(problems, fmt.Sprintf("consumer %q cannot store its events: %s", name, c.receiveError))
		}
		if c.topology != nil {
			problems = append(problems, "broker: "+c.topology.Error())
		}
	}
	slices.Sort(problems)
	return problems
}
