package server_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/chat/server"
	"parley.internal/pkg/database/databasetest"
)

// member holds what a client holds that keeps to the contract: it takes the
// snapshot, fetches what is missing, and wants each entry that comes to be the
// next one.
type member struct {
	s      *service
	login  string
	socket *socket
	held   map[string][]chat.Entry
	away   map[string]bool // streams that it is behind in: it must join again
}

func (m *member) dial() error {
	var err error
	m.socket, err = m.s.dial(m.login)
	return err
}

func (m *member) join(withCursors bool) error {
	if !withCursors {
		m.held = make(map[string][]chat.Entry)
	}
	var args []any
	cursors := make(map[string]position)
	for stream, entries := range m.held {
		if n := len(entries); n > 0 {
			cursors[stream] = position(entries[n-1].Cursor())
		}
	}
	if len(cursors) > 0 || rand.IntN(2) == 0 {
		args = append(args, cursors)
	}
	var all joined
	var wrong error
	before := func(e message) {
		if withCursors { // What comes now follows what was held before this call.
			wrong = errors.Join(wrong, m.hear(e))
		}
	}
	if m.socket.last == 0 {
		before = func(e message) { wrong = fmt.Errorf("%s came before it had joined", e.Target) }
	}
	if err := m.socket.call(&all, before, "Join", args...); err != nil || wrong != nil {
		return errors.Join(err, wrong)
	}
	if len(all.Resync) > 0 {
		return fmt.Errorf("the log was not set back: %v", all.Resync)
	}
	m.away = make(map[string]bool)
	for _, stream := range all.Streams {
		held := m.held[stream.ID]
		for _, e := range stream.Entries { // It may have heard some while it waited for this.
			if n := len(held); n == 0 || e.Sequence > held[n-1].Sequence {
				held = append(held, e)
			}
		}
		if _, known := cursors[stream.ID]; !known && len(held) > 0 && held[0].Sequence > 1 {
			held = m.older(stream.ID, held)
		}
		if n := int64(len(held)); n < stream.Head {
			for _, e := range m.s.stream(m.login, stream.ID, n) {
				if e.Sequence <= stream.Head {
					held = append(held, e)
				}
			}
		}
		m.held[stream.ID] = held
	}
	return nil
}

// older fetches what precedes the last page.
func (m *member) older(stream string, held []chat.Entry) []chat.Entry {
	all := m.s.stream(m.login, stream, 0)
	return append(all[:held[0].Sequence-1:held[0].Sequence-1], held...)
}

func (m *member) hear(e message) error {
	switch e.Target {
	case "Entry":
		var entry chat.Entry
		if err := e.bind(&entry); err != nil {
			return err
		}
		held := m.held[entry.Stream]
		if entry.Sequence != int64(len(held)+1) || m.away[entry.Stream] {
			return fmt.Errorf("entry %d of %s came after %d", entry.Sequence, entry.Stream, len(held))
		}
		m.held[entry.Stream] = append(held, entry)
	case "Behind":
		var stream string
		if err := e.bind(&stream); err != nil {
			return err
		}
		m.away[stream] = true
	case "Resync":
		return errors.New("the log was not set back")
	}
	return nil
}

// run joins, hears for a while, joins again or leaves and comes back, until it
// holds all.
func (m *member) run(heads map[string]int64) error {
	if err := errors.Join(m.dial(), m.join(false)); err != nil {
		return err
	}
	for !m.holds(heads) {
		e, err := m.socket.next()
		if err != nil {
			return err
		}
		if err := m.hear(e); err != nil {
			return err
		}
		switch n := rand.IntN(60); {
		case len(m.away) > 0, n == 0:
			err = m.join(true)
		case n == 1:
			err = m.join(false)
		case n == 2:
			err = errors.Join(m.socket.ws.Close(), m.dial(), m.join(rand.IntN(4) > 0))
		}
		if err != nil {
			return err
		}
	}
	return m.socket.ws.Close()
}

func (m *member) holds(heads map[string]int64) bool {
	for stream, head := range heads {
		if int64(len(m.held[stream])) < head {
			return false
		}
	}
	return true
}

func TestJoiningIsSeamlessWhileEntriesPourIn(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		const members, senders, each, notices = 12, 4, 50, 40
		s := start(t, url(t), func(cfg *server.Config) { cfg.Agents = []server.Agent{{Login: "danny"}} })
		for i := range 60 { // more than a last page
			s.say("jimmy", fmt.Sprint("before ", i))
		}
		heads := map[string]int64{chat.General: 60 + senders*each, chat.Company: notices / 2, chat.Own("danny"): notices / 2}
		var running sync.WaitGroup
		for i := range senders {
			running.Go(func() {
				for n := range each {
					s.say(fmt.Sprint("sender", i), fmt.Sprint(n))
				}
			})
		}
		running.Go(func() {
			for n := range notices {
				s.announce(fmt.Sprint(n), []any{"all", []string{"danny"}}[n%2])
			}
		})
		all := make([]*member, members)
		for i := range all {
			all[i] = &member{s: s, login: "danny", away: make(map[string]bool)}
			running.Go(func() {
				if err := all[i].run(heads); err != nil {
					t.Errorf("member %d: %v", i, err)
				}
			})
		}
		running.Wait()
		for stream := range heads {
			log := s.stream("danny", stream, 0)
			for i, m := range all {
				if diff := cmp.Diff(log, m.held[stream]); diff != "" {
					t.Fatalf("member %d holds another %s (-log +held):\n%.2000s", i, stream, diff)
				}
			}
		}
	})
}
