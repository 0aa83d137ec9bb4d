package compat

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a value in a file, with its place.
type node struct {
	files *files
	file  string
	place string
	value any
}

// files caches the files of one version.
type files struct {
	fsys fs.FS
	read map[string]any
}

func open(fsys fs.FS, name string) (node, error) {
	return (&files{fsys: fsys, read: map[string]any{}}).open(name)
}

func (f *files) open(name string) (node, error) {
	value, ok := f.read[name]
	if !ok {
		content, err := fs.ReadFile(f.fsys, name)
		if err != nil {
			return node{}, err
		}
		if err := yaml.Unmarshal(content, &value); err != nil {
			return node{}, fmt.Errorf("read %s: %w", name, err)
		}
		f.read[name] = value
	}
	return node{files: f, file: name, value: value}, nil
}

func (n node) exists() bool { return n.value != nil }

func (n node) get(key string) node {
	object, _ := n.value.(map[string]any)
	return node{n.files, n.file, n.place + "/" + key, object[key]}
}

func (n node) each() iter.Seq2[string, node] {
	return func(yield func(string, node) bool) {
		object, _ := n.value.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if !yield(key, n.get(key)) {
				return
			}
		}
	}
}

func (n node) items() []node {
	list, _ := n.value.([]any)
	nodes := make([]node, len(list))
	for i, value := range list {
		nodes[i] = node{n.files, n.file, fmt.Sprintf("%s/%d", n.place, i), value}
	}
	return nodes
}

func (n node) text(key string) string { s, _ := n.get(key).value.(string); return s }
func isRequired(n node) bool          { b, _ := n.get("required").value.(bool); return b }

// resolve follows references, also into other files.
func (n node) resolve() (node, error) {
	ref := n.text("$ref")
	if ref == "" {
		return n, nil
	}
	name, fragment, _ := strings.Cut(ref, "#")
	file := n.file
	if name != "" {
		file = path.Join(path.Dir(n.file), name)
	}
	at, err := n.files.open(file)
	if err != nil {
		return n, fmt.Errorf("%s: $ref %s: %w", n.file, ref, err)
	}
	if fragment != "" {
		for token := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
			at = at.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
		}
	}
	if !at.exists() {
		return n, fmt.Errorf("%s: $ref %s: the target is missing", n.file, ref)
	}
	return at.resolve()
}

// both resolves two nodes, and records references without a target as errors.
func (c *comparer) both(old, now node) (node, node) {
	old, err := old.resolve()
	if err != nil {
		c.errs = append(c.errs, err)
	}
	now, err = now.resolve()
	if err != nil {
		c.errs = append(c.errs, err)
	}
	return old, now
}

// pairs calls compare for each key of both nodes, and reports a key that only the
// old node has.
func (c *comparer) pairs(kind string, old, now node, compare func(key string, old, now node)) {
	for key, before := range old.each() {
		after := now.get(key)
		c.within(kind+key, func() {
			if !after.exists() {
				c.reportf("is removed")
				return
			}
			before, after := c.both(before, after)
			compare(key, before, after)
		})
	}
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
