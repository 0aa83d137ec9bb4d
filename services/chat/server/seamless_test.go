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

// member is a client that keeps to the contract: it takes the snapshot, fetches missing
// entries, and wants each pushed entry to be the next one.
type member struct {
	s       *service
	login   string
	conn    *connection
	entries map[string][]chat.Entry
	behind  map[string]bool // streams after Behind: the client must join again
}

func (m *member) dial() error {
	var err error
	m.conn, err = m.s.dial(m.login)
	return err
}

func (m *member) join(withCursors bool) error {
	if !withCursors {
		m.entries = make(map[string][]chat.Entry)
	}
	var args []any
	cursors := make(map[string]cursor)
	for stream, entries := range m.entries {
		if n := len(entries); n > 0 {
			cursors[stream] = cursor(entries[n-1].Cursor())
		}
	}
	if len(cursors) > 0 || rand.IntN(2) == 0 {
		args = append(args, cursors)
	}
	var all joinResult
	var wrong error
	before := func(e message) {
		if withCursors { // Entries before the completion follow the entries before the call.
			wrong = errors.Join(wrong, m.receive(e))
		}
	}
	if m.conn.last == 0 {
		before = func(e message) { wrong = fmt.Errorf("%s was pushed before Join", e.Target) }
	}
	if err := m.conn.call(&all, before, "Join", args...); err != nil || wrong != nil {
		return errors.Join(err, wrong)
	}
	if len(all.Resync) > 0 {
		return fmt.Errorf("resync of %v without a rollback", all.Resync)
	}
	m.behind = make(map[string]bool)
	for _, stream := range all.Streams {
		have := m.entries[stream.ID]
		for _, e := range stream.Entries { // Some may have been pushed before the completion.
			if n := len(have); n == 0 || e.Sequence > have[n-1].Sequence {
				have = append(have, e)
			}
		}
		if _, known := cursors[stream.ID]; !known && len(have) > 0 && have[0].Sequence > 1 {
			have = m.older(stream.ID, have)
		}
		if n := int64(len(have)); n < stream.Head {
			for _, e := range m.s.stream(m.login, stream.ID, n) {
				if e.Sequence <= stream.Head {
					have = append(have, e)
				}
			}
		}
		m.entries[stream.ID] = have
	}
	return nil
}

// older fetches the entries before the last page.
func (m *member) older(stream string, have []chat.Entry) []chat.Entry {
	all := m.s.stream(m.login, stream, 0)
	return append(all[:have[0].Sequence-1:have[0].Sequence-1], have...)
}

func (m *member) receive(e message) error {
	switch e.Target {
	case "Entry":
		var entry chat.Entry
		if err := e.bind(&entry); err != nil {
			return err
		}
		have := m.entries[entry.Stream]
		if entry.Sequence != int64(len(have)+1) || m.behind[entry.Stream] {
			return fmt.Errorf("entry %d of %s was pushed after %d", entry.Sequence, entry.Stream, len(have))
		}
		m.entries[entry.Stream] = append(have, entry)
	case "Behind":
		var stream string
		if err := e.bind(&stream); err != nil {
			return err
		}
		m.behind[stream] = true
	case "Resync":
		return errors.New("resync without a rollback")
	}
	return nil
}

// run joins, receives for a while, joins again or reconnects, until all entries are there.
func (m *member) run(heads map[string]int64) error {
	if err := errors.Join(m.dial(), m.join(false)); err != nil {
		return err
	}
	for !m.hasAll(heads) {
		e, err := m.conn.next()
		if err != nil {
			return err
		}
		if err := m.receive(e); err != nil {
			return err
		}
		switch n := rand.IntN(60); {
		case len(m.behind) > 0, n == 0:
			err = m.join(true)
		case n == 1:
			err = m.join(false)
		case n == 2:
			err = errors.Join(m.conn.ws.Close(), m.dial(), m.join(rand.IntN(4) > 0))
		}
		if err != nil {
			return err
		}
	}
	return m.conn.ws.Close()
}

func (m *member) hasAll(heads map[string]int64) bool {
	for stream, head := range heads {
		if int64(len(m.entries[stream])) < head {
			return false
		}
	}
	return true
}

func TestJoiningIsSeamlessUnderLoad(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		const members, senders, each, notices = 12, 4, 50, 40
		s := start(t, url(t), func(cfg *server.Config) { cfg.Agents = []server.Agent{{Login: "danny"}} })
		for i := range 60 { // more than the last page
			s.post("jimmy", fmt.Sprint("before ", i))
		}
		heads := map[string]int64{chat.General: 60 + senders*each, chat.Company: notices / 2, chat.Own("danny"): notices / 2}
		var running sync.WaitGroup
		for i := range senders {
			running.Go(func() {
				for n := range each {
					s.post(fmt.Sprint("sender", i), fmt.Sprint(n))
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
			all[i] = &member{s: s, login: "danny", behind: make(map[string]bool)}
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
				if diff := cmp.Diff(log, m.entries[stream]); diff != "" {
					t.Fatalf("entries of %s of member %d (-log +got):\n%.2000s", stream, i, diff)
				}
			}
		}
	})
}
