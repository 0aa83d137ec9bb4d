package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// base is the URL of the file system, for resolving references.
const base = "contract:///"

// loader compiles the schemas in a file system.
type loader struct {
	fsys     fs.FS
	compiler *jsonschema.Compiler
}

func newLoader(fsys fs.FS) *loader {
	l := &loader{fsys: fsys, compiler: jsonschema.NewCompiler()}
	l.compiler.DefaultDraft(jsonschema.Draft2020)
	l.compiler.AssertFormat()
	for _, format := range formats {
		l.compiler.RegisterFormat(format)
	}
	l.compiler.UseLoader(l)
	return l
}

// Load implements jsonschema.URLLoader.
func (l *loader) Load(name string) (any, error) {
	file, ok := strings.CutPrefix(name, base)
	if !ok {
		return nil, fmt.Errorf("%s is outside the contract", name)
	}
	text, err := fs.ReadFile(l.fsys, file)
	if err != nil {
		return nil, err
	}
	content, err := decodeYAML(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return content, nil
}

// decodeYAML decodes YAML into JSON values. Numbers of up to 15 digits are exact,
// also multiples of 0.01. Dates must be quoted: JSON has none.
func decodeYAML(text []byte) (any, error) {
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if date, ok := findDate(document); ok {
		return nil, fmt.Errorf("the date %s must be quoted", date.Format(time.DateOnly))
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
}

// findDate returns a date in a YAML value.
func findDate(value any) (date time.Time, found bool) {
	switch v := value.(type) {
	case time.Time:
		return v, true
	case []any:
		for _, item := range v {
			if date, found = findDate(item); found {
				return date, true
			}
		}
	case map[string]any:
		return findDate(slices.Collect(maps.Values(v)))
	}
	return date, false
}

// node is a value in a YAML file.
type node struct {
	file    string
	pointer string // URI fragment
	value   any
	root    any
}

func (l *loader) at(file string) (node, error) {
	value, err := l.Load(base + file)
	return node{file: file, value: value, root: value}, err
}

// get returns the property key of an object, with a nil value if absent.
func (n node) get(key string) node {
	object, _ := n.value.(map[string]any)
	return node{n.file, n.pointer + "/" + url.PathEscape(pointerEscaper.Replace(key)), object[key], n.root}
}

// each iterates over the properties of an object, by key.
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

// items iterates over a list.
func (n node) items() iter.Seq[node] {
	return func(yield func(node) bool) {
		list, _ := n.value.([]any)
		for i, value := range list {
			if !yield(node{n.file, fmt.Sprintf("%s/%d", n.pointer, i), value, n.root}) {
				return
			}
		}
	}
}

func (n node) text(key string) string { s, _ := n.get(key).value.(string); return s }
func (n node) flag(key string) bool   { b, _ := n.get(key).value.(bool); return b }

// resolve follows references within the document. References between files are
// allowed in schemas only, and resolved by the compiler.
func (n node) resolve() (node, error) {
	ref := n.text("$ref")
	if ref == "" {
		return n, nil
	}
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return n, fmt.Errorf("$ref %s: only a schema may be in another file", ref)
	}
	at := node{file: n.file, value: n.root, root: n.root}
	for token := range strings.SplitSeq(path, "/") {
		at = at.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
	}
	if at.value == nil {
		return n, fmt.Errorf("$ref %s: target does not exist", ref)
	}
	return at.resolve()
}

// schema compiles the schema at n.
func (l *loader) schema(n node) (*Schema, error) {
	if n.value == nil {
		return nil, fmt.Errorf("%s#%s: schema is missing", n.file, n.pointer)
	}
	location := base + n.file
	if n.pointer != "" {
		location += "#" + n.pointer
	}
	compiled, err := l.compiler.Compile(location)
	if err != nil {
		return nil, err
	}
	return newSchema(compiled), nil
}
