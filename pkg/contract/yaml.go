package contract

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// fromYAML decodes YAML into JSON values. Numbers stay as written, so multiples
// of 0.01 are exact.
func fromYAML(text []byte) (any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, errors.New("document is empty")
	}
	return valueOf(document.Content[0])
}

// valueOf converts a YAML node to a JSON value.
func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, err := valueOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			key := n.Content[i].Value
			if _, duplicate := object[key]; duplicate {
				return nil, fmt.Errorf("line %d: duplicate key %s", n.Content[i].Line, key)
			}
			object[key] = value
		}
		return object, nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, inner := range n.Content {
			value, err := valueOf(inner)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.ScalarNode:
		return scalarOf(n)
	default:
		return nil, fmt.Errorf("line %d: aliases are not supported", n.Line)
	}
}

func scalarOf(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null", "!!bool":
		var value any
		err := n.Decode(&value)
		return value, err
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			return nil, fmt.Errorf("line %d: number %s is not in JSON notation", n.Line, n.Value)
		}
		return json.Number(n.Value), nil
	default:
		return n.Value, nil
	}
}
