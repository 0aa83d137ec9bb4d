package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// Schema is a compiled JSON schema.
type Schema struct {
	Compiled *jsonschema.Schema
	names    map[string]string // names of all nested properties, by folded name
}

func newSchema(compiled *jsonschema.Schema) *Schema {
	s := &Schema{Compiled: compiled, names: map[string]string{}}
	walk(compiled, map[*jsonschema.Schema]bool{}, func(inner *jsonschema.Schema) {
		for name := range inner.Properties {
			s.names[fold(name)] = name
		}
	})
	return s
}

// Schemas compiles every file in the folder schemas. Keys are paths in this
// folder without extension: "Entry", "events/PolicyCreated".
func Schemas(fsys fs.FS) (map[string]*Schema, error) {
	l := newLoader(fsys)
	all := map[string]*Schema{}
	err := fs.WalkDir(fsys, "schemas", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != ".yaml" {
			return err
		}
		n, err := l.at(file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "schemas/"), ".yaml")
		all[name], err = l.schema(n)
		return err
	})
	return all, err
}

// Messages compiles the payload of each message in the components of an
// AsyncAPI document, by message name.
func Messages(fsys fs.FS, document string) (map[string]*Schema, error) {
	l := newLoader(fsys)
	root, err := l.at(document)
	if err != nil {
		return nil, err
	}
	all := map[string]*Schema{}
	for name, message := range root.get("components").get("messages").each() {
		payload := message.get("payload")
		if payload.get("schemaFormat").value != nil {
			payload = payload.get("schema")
		}
		if all[name], err = l.schema(payload); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Validate checks a JSON text. It returns an ErrRequest with all faults, or a
// web.ErrBadBody if the text is not JSON.
func (s *Schema) Validate(body []byte) error {
	fields, err := s.check(body)
	if err != nil || len(fields) == 0 {
		return err
	}
	return requestError(fields)
}

// check returns the faults of a JSON text, and an error if it is not JSON.
func (s *Schema) check(body []byte) ([]fault.Field, error) {
	p := parser{decoder: json.NewDecoder(bytes.NewReader(body)), names: s.names}
	p.decoder.UseNumber()
	value := p.value()
	if errors.Is(p.err, errTooDeep) {
		return nil, p.err
	}
	if !utf8.Valid(body) || !json.Valid(body) { // The parser may have stopped before.
		return nil, web.Unmarshal(body, new(json.RawMessage))
	}
	return append(p.fields, s.faults(value)...), nil
}

// faults returns all faults of a value.
func (s *Schema) faults(value any) []fault.Field {
	err := s.Compiled.Validate(value)
	if e, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return fieldsOf(e, nil)
	}
	if err != nil {
		return []fault.Field{{Pointer: "#", Detail: err.Error()}}
	}
	return nil
}

// accepts reports whether a value of this type can be valid.
func accepts(s *jsonschema.Schema, kind string) bool {
	s = resolved(s)
	if s.Types == nil {
		for _, alternatives := range [][]*jsonschema.Schema{s.OneOf, s.AnyOf, s.AllOf} {
			for _, alternative := range alternatives {
				if accepts(alternative, kind) {
					return true
				}
			}
		}
		return false
	}
	return slices.Contains(s.Types.ToStrings(), kind)
}

// resolved follows the references of a schema without types of its own.
func resolved(s *jsonschema.Schema) *jsonschema.Schema {
	for s.Ref != nil && s.Types == nil {
		s = s.Ref
	}
	return s
}

// walk calls visit once for s and for each nested schema.
func walk(s *jsonschema.Schema, seen map[*jsonschema.Schema]bool, visit func(*jsonschema.Schema)) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	visit(s)
	inner := []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else, s.Items2020, s.Contains, s.PropertyNames}
	for _, more := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		inner = append(inner, more...)
	}
	for _, property := range s.Properties {
		inner = append(inner, property)
	}
	if others, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		inner = append(inner, others)
	}
	for _, schema := range inner {
		walk(schema, seen, visit)
	}
}
