package docs

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// schema is what a reader needs of a JSON Schema.
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
	PrefixItems                []schema `yaml:"prefixItems"`
	AdditionalProperties       *schema  `yaml:"additionalProperties"`
}

// UnmarshalYAML implements yaml.Unmarshaler. A schema can be true or false; it
// has nothing to show then.
func (s *schema) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return nil
	}
	type plain schema
	return node.Decode((*plain)(s))
}

// oneOrMore are strings; one alone needs no list.
type oneOrMore []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*o = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

// ordered is a YAML mapping that keeps its order: that of the page.
type ordered[T any] []named[T]

type named[T any] struct {
	name  string
	value T
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: this is no mapping", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		one := named[T]{name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&one.value); err != nil {
			return err
		}
		*o = append(*o, one)
	}
	return nil
}
