// Package compat compares two states of a contract: OpenAPI and AsyncAPI
// documents, and the schemas that they refer to.
//
// Its promise: whoever was written against the old state, on either side, still
// works with the new one if nothing is found.
package compat

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Breaks is what of the old state the new one breaks, one sentence for each.
func Breaks(old, now fs.FS) ([]string, error) {
	c := &comparer{seen: map[string]bool{}}
	documents, err := documentsOf(old)
	if err != nil {
		return nil, err
	}
	for _, name := range documents {
		before, err := open(old, name)
		if err != nil {
			return nil, err
		}
		after, err := open(now, name)
		if errors.Is(err, fs.ErrNotExist) {
			c.found = append(c.found, name+": is removed")
			continue
		}
		if err != nil {
			return nil, err
		}
		c.at = name
		c.openapi(before, after)
		c.asyncapi(before, after)
	}
	slices.Sort(c.found)
	return slices.Compact(c.found), errors.Join(c.errs...)
}

func documentsOf(fsys fs.FS) ([]string, error) {
	var all []string
	for _, folder := range []string{"openapi", "asyncapi"} {
		files, err := fs.Glob(fsys, path.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no document to compare with")
	}
	return all, nil
}

// direction is who makes a value and who reads it.
type direction string

const (
	in  direction = "in"  // clients make it: what they sent must still be taken
	out direction = "out" // clients read it: what they read must still be there
)

type comparer struct {
	at    string // where in the document, for people
	found []string
	errs  []error
	seen  map[string]bool // pairs of schemas that are being compared, or were
}

func (c *comparer) reportf(format string, args ...any) {
	c.found = append(c.found, c.at+": "+fmt.Sprintf(format, args...))
}

// within does something further inside. Steps into a value make one pointer.
func (c *comparer) within(place string, do func()) {
	was := c.at
	words := strings.Fields(was)
	if !strings.HasPrefix(place, "/") || len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "/") {
		was += " "
	}
	c.at, was = was+place, c.at
	do()
	c.at = was
}

// same reports a value that is another one.
func (c *comparer) same(old, now node, what string) {
	if !equal(old.value, now.value) {
		c.reportf("%s is changed", what)
	}
}
