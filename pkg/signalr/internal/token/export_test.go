package token

// Used returns the number of remembered tokens.
func (i *Issuer[C]) Used() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.used)
}
