package chat

import (
	"context"
	"sync"
	"time"
)

// lastSeenInterval is how often an active agent's last seen time is stored.
const lastSeenInterval = 5 * time.Minute

// LastSeen records agents' profiles and the time of their last request or connection.
// LastSeen is safe for concurrent use.
type LastSeen struct {
	store func(context.Context, Profile, time.Time) error

	mu     sync.Mutex
	stored map[string]sighting // by login; as many as there are agents
}

type sighting struct {
	profile Profile
	at      time.Time
}

// NewLastSeen writes through store.
func NewLastSeen(store func(context.Context, Profile, time.Time) error) *LastSeen {
	return &LastSeen{store: store, stored: make(map[string]sighting)}
}

// Record stores an agent's activity, at most once in five minutes unless the profile has
// changed.
func (l *LastSeen) Record(ctx context.Context, p Profile) error {
	now := time.Now()
	l.mu.Lock()
	last := l.stored[p.Login]
	l.mu.Unlock()
	if last.profile == p && now.Sub(last.at) < lastSeenInterval {
		return nil
	}
	if err := l.store(ctx, p, now); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored[p.Login] = sighting{profile: p, at: now}
	return nil
}
