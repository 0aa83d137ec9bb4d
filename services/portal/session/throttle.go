package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley.internal/pkg/retry"
)

const (
	freeFailures  = 5                // failed attempts before the first lockout
	firstLockout  = time.Second      // after the next failure; doubled by each later one
	maxLockout    = 30 * time.Second // bounds how long an attacker can lock out an agent
	failureExpiry = 15 * time.Minute // the count of failures restarts after this time
	maxLogins     = 10_000           // tracked at once; further logins share one counter
)

// throttle slows down password guessing with an exponential lockout per login.
// Attempts on one login run one at a time, so parallel guesses gain nothing.
// Unknown logins are throttled like known ones.
type throttle struct {
	mu     sync.Mutex
	logins map[string]*attempts
}

// attempts tracks the failed sign-ins of one login.
type attempts struct {
	running chan struct{} // holds one token while an attempt runs
	pending int           // attempts running or queued; guarded by throttle.mu

	// Only the running attempt changes these fields; without a pending attempt,
	// throttle.mu guards them.
	failures int64
	last     time.Time // of the last failure
}

// try runs attempt. If the login is locked out, try only returns the remaining
// lockout.
func (t *throttle) try(ctx context.Context, login string, attempt func() error) (lockout time.Duration, err error) {
	a := t.acquire(login)
	defer t.release(login, a)
	select {
	case a.running <- struct{}{}:
		defer func() { <-a.running }()
	case <-ctx.Done():
		return 0, ErrBusy
	}
	if lockout = a.lockout(); lockout > 0 {
		return lockout, nil
	}
	err = attempt()
	switch {
	case errors.Is(err, ErrWrongCredentials):
		a.failures++
		a.last = time.Now()
	case err == nil:
		a.failures = 0
	}
	return 0, err
}

// acquire returns the attempts of a login, and keeps them tracked until release.
func (t *throttle) acquire(login string) *attempts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logins[login] == nil && len(t.logins) >= maxLogins {
		t.expire()
		if len(t.logins) >= maxLogins {
			login = ""
		}
	}
	a := t.logins[login]
	if a == nil {
		a = &attempts{running: make(chan struct{}, 1)}
		t.logins[login] = a
	}
	a.pending++
	return a
}

func (t *throttle) release(login string, a *attempts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.pending--
	if a.pending == 0 && a.failures == 0 && t.logins[login] == a {
		delete(t.logins, login)
	}
}

func (t *throttle) expire() {
	for login, a := range t.logins {
		if a.pending == 0 && time.Since(a.last) > failureExpiry {
			delete(t.logins, login)
		}
	}
}

// lockout returns how long the login is still locked out.
func (a *attempts) lockout() time.Duration {
	if time.Since(a.last) > failureExpiry {
		a.failures = 0
	}
	if a.failures < freeFailures {
		return 0
	}
	return time.Until(a.last.Add(retry.Exponential(firstLockout, maxLockout, a.failures-freeFailures+1)))
}
