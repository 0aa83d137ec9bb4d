package docs

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// property is a line of a payload's table. What is inside an object or a list
// has lines of its own: policyHolder.taxId, streams[].id.
type property struct {
	Name, Type, Description string
	Required                bool
}

// deepest is how far into a schema the lines go: one may contain itself.
const deepest = 6

// properties are the lines of a payload.
func (r reader) properties(s schema) ([]property, error) {
	w := walk{contract: r.contract}
	err := w.inside(place{folder: r.folder}, s)
	return w.lines, err
}

type walk struct {
	contract fs.FS
	lines    []property
}

// place is where in a payload a schema is, and in which folder its references
// begin.
type place struct {
	name, folder string
	depth        int
}

func (p place) at(name string) place { return place{name, p.folder, p.depth + 1} }

func (p place) of(property string) place {
	if p.name == "" {
		return p.at(property)
	}
	return p.at(p.name + "." + property)
}

// inside adds the lines of what s contains. An array's prefixItems are the
// arguments of a call.
func (w *walk) inside(p place, s schema) error {
	s, p, err := w.follow(p, s)
	if err != nil || p.depth > deepest {
		return err
	}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	for _, property := range s.Properties {
		if err := w.line(p.of(property.name), property.value, required[property.name]); err != nil {
			return err
		}
	}
	for i, argument := range s.PrefixItems {
		followed, _, err := w.follow(p, argument)
		if err != nil {
			return err
		}
		name := cmp.Or(argumentName(followed.Title), "argument "+strconv.Itoa(i+1))
		if err := w.line(p.of(name), argument, i < s.MinItems); err != nil {
			return err
		}
	}
	if s.Items != nil {
		return w.inside(p.at(p.name+"[]"), *s.Items)
	}
	if s.AdditionalProperties != nil {
		return w.inside(p.of("*"), *s.AdditionalProperties)
	}
	return nil
}

func (w *walk) line(p place, s schema, required bool) error {
	followed, at, err := w.follow(p, s)
	if err != nil {
		return err
	}
	kind, err := w.kind(at, followed)
	if err != nil {
		return err
	}
	w.lines = append(w.lines, property{Name: p.name, Type: kind, Description: followed.Description, Required: required})
	return w.inside(at, followed)
}

// follow reads what s refers to. What is said beside the reference counts more.
func (w *walk) follow(p place, s schema) (schema, place, error) {
	for hops := 0; s.Ref != "" && hops < deepest; hops++ {
		file := path.Join(p.folder, s.Ref)
		content, err := fs.ReadFile(w.contract, file)
		if err != nil {
			return schema{}, p, fmt.Errorf("%s refers to %s: %w", p.name, s.Ref, err)
		}
		var target schema
		if err := yaml.Unmarshal(content, &target); err != nil {
			return schema{}, p, fmt.Errorf("read %s: %w", file, err)
		}
		target.Description = cmp.Or(s.Description, target.Description)
		s, p.folder = target, path.Dir(file)
	}
	return s, p, nil
}

// kind is a schema's type in words.
func (w *walk) kind(p place, s schema) (string, error) {
	switch {
	case s.Const != "":
		return s.Const, nil
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | "), nil
	case s.Items != nil:
		inner, at, err := w.follow(p, *s.Items)
		if err != nil {
			return "", err
		}
		kind, err := w.kind(at, inner)
		return "list of " + kind, err
	case s.Format != "":
		return strings.Join(s.Type, " or ") + ", " + s.Format, nil
	default:
		return cmp.Or(strings.Join(s.Type, " or "), "anything"), nil
	}
}

// argumentName is a title as the name of an argument; a schema's begins with a
// capital.
func argumentName(title string) string {
	if title == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(title)
	return string(unicode.ToLower(first)) + title[size:]
}
