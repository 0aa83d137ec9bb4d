package docs

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// schema is a JSON Schema, reduced to the parts in a table of properties.
type schema struct {
	reference `yaml:",inline"`

	Title, Description, Format string
	Type                       oneOrMore
	Const                      string
	Enum                       []string
	Required                   []string
	Properties                 ordered[schema]
	Items                      *schema
	MinItems                   int      `yaml:"minItems"`
	PrefixItems                []schema `yaml:"prefixItems"` // the arguments of a hub call
	AdditionalProperties       *schema  `yaml:"additionalProperties"`
	Schema                     *schema  // of a payload with a schemaFormat
}

// UnmarshalYAML implements yaml.Unmarshaler. The schemas true and false are empty.
func (s *schema) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return nil
	}
	type plain schema
	return node.Decode((*plain)(s))
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*o = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

// ordered is a YAML mapping in the order of the document.
type ordered[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		entry := named[T]{Name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&entry.Value); err != nil {
			return err
		}
		*o = append(*o, entry)
	}
	return nil
}

// schemas are the contract's schema files by name, without the folder.
type schemas map[string]schema

func readSchemas(contract fs.FS) (schemas, error) {
	all := schemas{}
	err := fs.WalkDir(contract, "schemas", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(contract, file)
		if err != nil {
			return err
		}
		var s schema
		if err := yaml.Unmarshal(content, &s); err != nil {
			return fmt.Errorf("parse %s: %w", file, err)
		}
		all[path.Base(file)] = s
		return nil
	})
	return all, err
}

// property is a row of a payload's table. Nested properties have rows of their
// own, such as policyHolder.taxId and streams[].id.
type property struct {
	Name, Type, Description string
	Required                bool
}

// maxDepth limits the nesting of rows: a schema may contain itself.
const maxDepth = 6

// properties returns the rows of a payload.
func (all schemas) properties(payload schema) ([]property, error) {
	t := table{schemas: all}
	t.addChildren("", payload, 0)
	return t.rows, t.err
}

type table struct {
	schemas schemas
	rows    []property
	err     error // the first
}

// addChildren adds the rows of everything inside a schema.
func (t *table) addChildren(name string, s schema, depth int) {
	if s = t.resolve(name, s); depth > maxDepth {
		return
	}
	prefix := name
	if name != "" {
		prefix += "."
	}
	for _, p := range s.Properties {
		t.add(prefix+p.Name, p.Value, slices.Contains(s.Required, p.Name), depth+1)
	}
	for i, argument := range s.PrefixItems {
		label := "argument " + strconv.Itoa(i+1)
		if title := t.resolve(name, argument).Title; title != "" {
			_, size := utf8.DecodeRuneInString(title)
			label = strings.ToLower(title[:size]) + title[size:]
		}
		t.add(prefix+label, argument, i < s.MinItems, depth+1)
	}
	if s.Items != nil {
		t.addChildren(name+"[]", *s.Items, depth+1)
	} else if s.AdditionalProperties != nil {
		t.addChildren(prefix+"*", *s.AdditionalProperties, depth+1)
	}
}

func (t *table) add(name string, s schema, required bool, depth int) {
	s = t.resolve(name, s)
	t.rows = append(t.rows, property{name, t.typeName(name, s), s.Description, required})
	t.addChildren(name, s, depth)
}

// resolve follows references. A description beside a reference takes precedence.
func (t *table) resolve(name string, s schema) schema {
	for hops := 0; s.Ref != "" && hops < maxDepth; hops++ {
		target, known := t.schemas[path.Base(s.Ref)]
		if !known && t.err == nil {
			t.err = fmt.Errorf("%s refers to unknown schema %s", name, s.Ref)
		}
		target.Description = cmp.Or(s.Description, target.Description)
		s = target
	}
	return s
}

func (t *table) typeName(name string, s schema) string {
	switch {
	case s.Const != "":
		return s.Const
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Items != nil:
		return "list of " + t.typeName(name, t.resolve(name, *s.Items))
	case s.Format != "":
		return strings.Join(s.Type, " or ") + ", " + s.Format
	default:
		return cmp.Or(strings.Join(s.Type, " or "), "anything")
	}
}
