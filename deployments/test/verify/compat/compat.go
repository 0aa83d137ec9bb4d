// Package compat compares two versions of a contract: OpenAPI and AsyncAPI
// documents, and the schemas to which they refer.
//
// Its promise: if it finds no incompatible change, clients and servers of the
// old version work with the new version.
//
// oasdiff compares OpenAPI only, so that the comparison of schemas would remain
// for AsyncAPI. It also misses additionalProperties: false, a removed default
// response and keywords such as not.
package compat

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Breaks lists the incompatible changes from the old version to the new one.
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
		return nil, errors.New("the old version has no documents")
	}
	return all, nil
}

// direction tells the writer of a value.
type direction string

const (
	in  direction = "in"  // clients write the value: every old value must stay valid
	out direction = "out" // clients read the value: its old properties must remain
)

type comparer struct {
	at    string // place in the document, for people
	found []string
	errs  []error
	seen  map[string]bool // compared pairs of schemas, also those in progress
}

func (c *comparer) reportf(format string, args ...any) {
	c.found = append(c.found, c.at+": "+fmt.Sprintf(format, args...))
}

// within runs compare with place appended to c.at. Consecutive steps into a value
// form one JSON pointer.
func (c *comparer) within(place string, compare func()) {
	was := c.at
	words := strings.Fields(was)
	if !strings.HasPrefix(place, "/") || len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "/") {
		was += " "
	}
	c.at, was = was+place, c.at
	compare()
	c.at = was
}

// same reports a value that differs.
func (c *comparer) same(old, now node, name string) {
	if !equal(old.value, now.value) {
		c.reportf("%s is changed", name)
	}
}
