package chat

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// The errors of agents.
var (
	// ErrNoAgent reports a login missing from the directory.
	ErrNoAgent     = fault.New(fault.NotFound, "agent-unknown", "there is no agent %s")
	ErrBadProfile  = fault.New(fault.Invalid, "agent-invalid", "the login, name and avatar of an agent are short texts without control characters")
	ErrBadAudience = fault.New(fault.Invalid, "audience-invalid", `an audience is "all", a login or a list of logins`)
)

// Profile is the public description of an agent.
type Profile struct {
	Login  string `json:"login"`
	Name   string `json:"name"`
	Avatar string `json:"avatar"` // the path of a picture
}

// AgentState is an agent's presence, on any device.
type AgentState string

// The states of an agent.
const (
	Online  AgentState = "online"
	Offline AgentState = "offline"
)

// Agent is an entry of the directory: an agent, with presence.
type Agent struct {
	Profile

	State AgentState `json:"state"`
	At    *time.Time `json:"at"` // online since, or last seen; nil: never
}

// Presence reports a change of an agent's presence.
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

// Check returns ErrBadProfile for a missing login and for texts that are too long or
// hold control characters.
func (p Profile) Check() error {
	if p.Login == "" || !isLine(p.Login, maxLogin) || !isLine(p.Name, maxName) || !isLine(p.Avatar, maxAvatar) {
		return ErrBadProfile
	}
	return nil
}

func isLine(text string, limit int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= limit && !strings.ContainsFunc(text, unicode.IsControl)
}

// Audience names the recipients of an announcement: all agents, or some.
type Audience struct {
	All    bool
	Logins []string
}

const allAgents = "all"

// UnmarshalJSON reads "all", a login, or a list of logins.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var login string
	if json.Unmarshal(data, &login) == nil && login != "" {
		if *a = (Audience{All: true}); login != allAgents {
			*a = Audience{Logins: []string{login}}
		}
		return nil
	}
	var logins []string
	if json.Unmarshal(data, &logins) != nil || len(logins) == 0 {
		return ErrBadAudience
	}
	*a = Audience{Logins: logins}
	return nil
}

// MarshalJSON writes the form read by UnmarshalJSON.
func (a Audience) MarshalJSON() ([]byte, error) {
	if a.All {
		return json.Marshal(allAgents)
	}
	return json.Marshal(a.Logins)
}

// streams lists the streams read by the audience: the company feed, or the own feed of
// each agent, without duplicates.
func (a Audience) streams() []string {
	if a.All {
		return []string{Company}
	}
	streams := make([]string, 0, len(a.Logins))
	for _, login := range a.Logins {
		streams = append(streams, Own(login))
	}
	slices.Sort(streams)
	return slices.Compact(streams)
}
