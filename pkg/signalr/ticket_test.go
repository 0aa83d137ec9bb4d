package signalr

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"
)

func TestTicketsWorkOnEveryNodeWithTheKey(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	here, there := tickets{key: []byte("one key")}, tickets{key: []byte("one key")}
	stranger := tickets{key: []byte("another")}

	issued, token := here.issue("jim", now)
	if url.QueryEscape(token) != token {
		t.Errorf("%q needs escaping, and old clients do not escape", token)
	}
	if _, err := stranger.claim(token, "jim", now); !errors.Is(err, errNoConnection) {
		t.Errorf("a node with another key says %v", err)
	}
	claimed, err := there.claim(token, "jim", now.Add(ticketLife-time.Second))
	if err != nil || claimed != issued {
		t.Errorf("a node with the key says %v", err)
	}
	if here.publicID(issued) != there.publicID(claimed) {
		t.Error("the nodes disagree about the public id")
	}
}

func TestUsedTicketsAreForgottenOnceExpired(t *testing.T) {
	var (
		ts    = tickets{key: []byte("key")}
		now   = time.Unix(1_000_000, 0)
		alive ticket
	)
	for i := range 100 {
		_, token := ts.issue("jim", now)
		claimed, err := ts.claim(token, "jim", now)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			alive = claimed
			continue
		}
		ts.release(claimed)
	}
	now = now.Add(2 * ticketLife)
	_, token := ts.issue("jim", now)
	if _, err := ts.claim(token, "jim", now); err != nil {
		t.Fatal(err)
	}
	if _, kept := ts.used[alive]; !kept || len(ts.used) != 2 {
		t.Errorf("%d tickets are kept, want the two in use", len(ts.used))
	}
}

func TestOneTokenIsClaimedOnce(t *testing.T) {
	ts := tickets{key: []byte("key")}
	now := time.Unix(1_000_000, 0)
	_, token := ts.issue("jim", now)
	results := make(chan error, 10)
	var claiming sync.WaitGroup
	for range 10 {
		claiming.Go(func() {
			_, err := ts.claim(token, "jim", now)
			results <- err
		})
	}
	claiming.Wait()
	claimed := 0
	for range 10 {
		if err := <-results; err == nil {
			claimed++
		} else if !errors.Is(err, errAlreadyActive) {
			t.Error(err)
		}
	}
	if claimed != 1 {
		t.Errorf("claimed %d times, want once", claimed)
	}
}
