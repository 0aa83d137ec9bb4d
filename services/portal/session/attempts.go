package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley.internal/pkg/fault"
)

const (
	freeFailures = 5                // so many wrong passwords cost nothing
	firstWait    = time.Second      // after the next one; doubled each time
	mostWait     = 30 * time.Second // nobody can lock an agent out for longer
	failureMemo  = 15 * time.Minute // then failures are forgotten
	maxLogins    = 10_000           // remembered; those beyond share one place
)

// slowDownError says how long to wait, in whole seconds.
type slowDownError struct {
	told *fault.Error
	wait time.Duration
}

func (e slowDownError) Error() string { return e.told.Error() }
func (e slowDownError) Unwrap() error { return e.told }

var errSlowDown = fault.New(fault.RateLimited, "too-many-attempts",
	"too many failed attempts to sign in as this agent; try again in %d s")

func slowDown(wait time.Duration) error {
	whole := (wait + time.Second - 1).Truncate(time.Second)
	return slowDownError{told: errSlowDown.With(int(whole.Seconds())), wait: whole}
}

// attempts slows down who guesses passwords. The attempts on one login are
// made one at a time, so that many at once get no further than one by one.
// A login that does not exist is treated like one that does.
type attempts struct {
	mu     sync.Mutex
	logins map[string]*record
}

type record struct {
	turn     chan struct{} // holds one token while an attempt is made
	waiting  int
	failures int
	last     time.Time // when the last one failed
}

// try makes an attempt, unless it comes too early.
func (a *attempts) try(ctx context.Context, login string, attempt func() error) error {
	r := a.enter(login)
	defer a.leave(login, r)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ErrBusy
	}
	if wait := a.wait(r); wait > 0 {
		return slowDown(wait)
	}
	err := attempt()
	a.note(r, err)
	return err
}

func (a *attempts) enter(login string) *record {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.logins == nil {
		a.logins = make(map[string]*record)
	}
	if _, known := a.logins[login]; !known && len(a.logins) >= maxLogins {
		a.forget()
		if len(a.logins) >= maxLogins {
			login = ""
		}
	}
	r := a.logins[login]
	if r == nil {
		r = &record{turn: make(chan struct{}, 1)}
		a.logins[login] = r
	}
	r.waiting++
	return r
}

func (a *attempts) leave(login string, r *record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.waiting--
	if r.waiting == 0 && r.failures == 0 && a.logins[login] == r {
		delete(a.logins, login)
	}
}

func (a *attempts) forget() {
	for login, r := range a.logins {
		if r.waiting == 0 && time.Since(r.last) > failureMemo {
			delete(a.logins, login)
		}
	}
}

func (a *attempts) wait(r *record) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(r.last) > failureMemo {
		r.failures = 0
	}
	if r.failures < freeFailures {
		return 0
	}
	wait := min(firstWait<<min(r.failures-freeFailures, 10), mostWait)
	return time.Until(r.last.Add(wait))
}

func (a *attempts) note(r *record, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, ErrWrong):
		r.failures++
		r.last = time.Now()
	case err == nil:
		r.failures = 0
	}
}
