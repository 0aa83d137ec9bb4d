package policy

// Agent is the agent who makes a request. Agents see their own offers and
// policies, administrators see all of them. An offer or a policy of another
// agent does not exist for an agent.
type Agent struct {
	Login string
	Admin bool
}

// MaySee reports whether the agent may see an offer or a policy of the agent
// with a login.
func (a Agent) MaySee(login string) bool { return a.Admin || a.Login == login }

// MaySeeProduct reports whether the agent may see a product: only administrators
// see drafts.
func (a Agent) MaySeeProduct(p Product) bool { return a.Admin || p.Status != ProductDraft }
