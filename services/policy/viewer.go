package policy

import "time"

// Viewer is who asks. Agents see what is theirs, administrators everything;
// what somebody does not see does not exist for them.
type Viewer struct {
	Login   string
	SeesAll bool
}

// Sees reports whether what belongs to an agent is the viewer's to see.
func (v Viewer) Sees(agentLogin string) bool { return v.SeesAll || v.Login == agentLogin }

// SeesProduct reports whether the product is the viewer's to see: drafts are
// administrators'.
func (v Viewer) SeesProduct(p Product) bool { return v.SeesAll || p.Status != ProductDraft }

// Position is a place in the list of policies, newest first: the policies
// after it are older. The zero Position is before the newest.
type Position struct {
	CreatedAt time.Time // to the microsecond
	Number    string
}
