package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const component = "#/components/schemas/"

// schemas maps names to schemas, which refer to each other by these names.
type schemas map[string]map[string]any

// schemasIn reads the schemas of a folder, one per file, by their file names.
func schemasIn(folder string) (schemas, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	all := schemas{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var schema map[string]any
		if err := yaml.Unmarshal(content, &schema); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if err := each(schema, rename); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		all[nameOf(file)] = schema
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no schema in %s", folder)
	}
	return all, nil
}

func nameOf(file string) string {
	return strings.TrimSuffix(path.Base(filepath.ToSlash(file)), ".yaml")
}

func rename(schema map[string]any) error {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return nil
	}
	if strings.Contains(ref, "#") {
		return fmt.Errorf("$ref %s: want a reference to a file", ref)
	}
	schema["$ref"] = component + nameOf(ref)
	return nil
}

// each calls do for every object in value.
func each(value any, do func(map[string]any) error) error {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			if err := each(inner, do); err != nil {
				return err
			}
		}
		return do(v)
	case []any:
		for _, inner := range v {
			if err := each(inner, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// with returns s and all schemas of others that s refers to.
func (s schemas) with(others schemas) (schemas, error) {
	all := schemas{}
	var add func(name string, schema map[string]any) error
	add = func(name string, schema map[string]any) error {
		all[name] = schema
		return each(schema, func(inner map[string]any) error {
			ref, ok := inner["$ref"].(string)
			if !ok {
				return nil
			}
			other := strings.TrimPrefix(ref, component)
			if all[other] != nil || s[other] != nil {
				return nil
			}
			if others[other] == nil {
				return fmt.Errorf("%s refers to %s, which does not exist", name, other)
			}
			return add(other, others[other])
		})
	}
	for name, schema := range s {
		if err := add(name, schema); err != nil {
			return nil, err
		}
	}
	return all, nil
}
