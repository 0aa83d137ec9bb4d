package chat

import (
	"context"
	"encoding/json"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// The errors of agents.
var (
	// ErrNoAgent says that chat has never heard of an agent.
	ErrNoAgent     = fault.New(fault.NotFound, "agent-unknown", "there is no agent %s")
	ErrBadProfile  = fault.New(fault.Invalid, "agent-invalid", "the login, name and avatar of an agent are short texts without control characters")
	ErrBadAudience = fault.New(fault.Invalid, "audience-invalid", `an audience is "all", a login or a list of logins`)
)

// Profile is how an agent is shown to the others.
type Profile struct {
	Login  string `json:"login"`
	Name   string `json:"name"`
	Avatar string `json:"avatar"` // the path of a picture
}

// AgentState says whether an agent is here, on whichever device.
type AgentState string

// The states of an agent.
const (
	Online  AgentState = "online"
	Offline AgentState = "offline"
)

// Agent is one whom chat can reach.
type Agent struct {
	Profile

	State AgentState `json:"state"`
	At    *time.Time `json:"at"` // since when; nil if they were never here
}

// Presence says that an agent is here, or no longer.
type Presence struct {
	Login string     `json:"login"`
	State AgentState `json:"state"`
	At    time.Time  `json:"at"`
}

// Bounds of a profile, in characters.
const (
	maxLogin  = 200
	maxName   = 200
	maxAvatar = 1000
)

// Check answers ErrBadProfile for what cannot be shown.
func (p Profile) Check() error {
	if p.Login == "" || !isLine(p.Login, maxLogin) || !isLine(p.Name, maxName) || !isLine(p.Avatar, maxAvatar) {
		return ErrBadProfile
	}
	return nil
}

func isLine(text string, most int) bool {
	for _, r := range text {
		if unicode.IsControl(r) {
			return false
		}
	}
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most
}

// Audience is who is told something: all, or some.
type Audience struct {
	All    bool
	Logins []string
}

const everybody = "all"

// UnmarshalJSON reads "all", a login, or a list of logins.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil && one != "" {
		*a = Audience{All: one == everybody}
		if !a.All {
			a.Logins = []string{one}
		}
		return nil
	}
	var some []string
	if json.Unmarshal(data, &some) != nil || len(some) == 0 {
		return ErrBadAudience
	}
	*a = Audience{Logins: some}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (a Audience) MarshalJSON() ([]byte, error) {
	if a.All {
		return json.Marshal(everybody)
	}
	return json.Marshal(a.Logins)
}

// meetAgain is how long an agent who comes again is not looked at again.
const meetAgain = 5 * time.Minute

// Directory makes agents known who come by, from whichever side. It is safe for
// concurrent use.
type Directory struct {
	seen func(context.Context, Profile, time.Time) error

	mu  sync.Mutex
	met map[string]meeting // as long as there are agents
}

type meeting struct {
	profile Profile
	at      time.Time
}

// NewDirectory notes by seen who was here, and when.
func NewDirectory(seen func(context.Context, Profile, time.Time) error) *Directory {
	return &Directory{seen: seen, met: make(map[string]meeting)}
}

// Meet notes that an agent is here, now and then.
func (d *Directory) Meet(ctx context.Context, p Profile) error {
	now := time.Now()
	d.mu.Lock()
	last := d.met[p.Login]
	d.mu.Unlock()
	if last.profile == p && now.Sub(last.at) < meetAgain {
		return nil
	}
	if err := d.seen(ctx, p, now); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.met[p.Login] = meeting{profile: p, at: now}
	return nil
}
