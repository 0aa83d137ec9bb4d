package verify

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley.internal/pkg/contract"
	"parley.internal/verify/compat"
)

func api() fs.FS { return os.DirFS(filepath.Join(repository, "api")) }

func messages(t *testing.T, document string) map[string]*contract.Schema {
	t.Helper()
	all, err := contract.Messages(api(), document)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryMessageHasAValidExample covers events and hub messages, and finds
// examples without a message.
func TestEveryMessageHasAValidExample(t *testing.T) {
	for document, folder := range map[string]string{
		"asyncapi/events.yaml": "examples/events", "asyncapi/hubs.yaml": "examples/hubs",
	} {
		all := messages(t, document)
		for name, schema := range all {
			example, err := fs.ReadFile(api(), path.Join(folder, name+".json"))
			if err != nil {
				t.Errorf("%s in %s has no example: %v", name, document, err)
				continue
			}
			if err := schema.Validate(example); err != nil {
				t.Errorf("%s/%s.json: %v", folder, name, err)
			}
		}
		files, err := fs.ReadDir(api(), folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if all[strings.TrimSuffix(file.Name(), ".json")] == nil {
				t.Errorf("%s/%s is not an example of a message in %s", folder, file.Name(), document)
			}
		}
	}
}

func TestEveryEventSchemaIsDocumented(t *testing.T) {
	described := messages(t, "asyncapi/events.yaml")
	files, err := fs.Glob(api(), "schemas/events/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if described[nameOf(file)] == nil {
			t.Errorf("%s is missing in asyncapi/events.yaml: run make generate", file)
		}
	}
}

func TestExamplesInSchemasAreValid(t *testing.T) {
	schemas, err := contract.Schemas(api())
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range schemas {
		if path.Base(name) != schema.Compiled.Title {
			t.Errorf("%s has the title %q", name, schema.Compiled.Title)
		}
		examples(t, name, schema.Compiled)
	}
}

func examples(t *testing.T, at string, s *jsonschema.Schema) {
	t.Helper()
	for _, example := range s.Examples {
		if err := s.Validate(example); err != nil {
			t.Errorf("%s: example %v: %v", at, example, err)
		}
	}
	for name, property := range s.Properties {
		examples(t, at+"/"+name, property)
	}
	if s.Items2020 != nil {
		examples(t, at+"/0", s.Items2020)
	}
}

func TestOpenAPIDocumentsCompile(t *testing.T) {
	files, err := fs.Glob(api(), "openapi/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if _, err := contract.Open(api(), file); err != nil {
			t.Error(err)
		}
	}
}

var schemaRef = regexp.MustCompile(`\$ref: *['"]?([^'"#}\s,]+\.yaml)`)

// TestEverySchemaIsReferenced follows the references from the documents.
func TestEverySchemaIsReferenced(t *testing.T) {
	reached := map[string]bool{}
	var follow func(file string)
	follow = func(file string) {
		if reached[file] {
			return
		}
		reached[file] = true
		content, err := fs.ReadFile(api(), file)
		if err != nil {
			t.Error(err)
		}
		for _, found := range schemaRef.FindAllStringSubmatch(string(content), -1) {
			follow(path.Join(path.Dir(file), found[1]))
		}
	}
	for _, pattern := range []string{"openapi/*.yaml", "asyncapi/*.yaml"} {
		documents, err := fs.Glob(api(), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			follow(document)
		}
	}
	err := fs.WalkDir(api(), "schemas", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !reached[file] {
			t.Errorf("no document references %s", file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReleasedContractStaysCompatible compares the contract with api/released,
// which `make release-contract` replaces by the present contract.
func TestReleasedContractStaysCompatible(t *testing.T) {
	released := os.DirFS(filepath.Join(repository, "api", "released"))
	broken, err := compat.Breaks(released, api())
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range broken {
		t.Error(change)
	}
}

func nameOf(file string) string { return strings.TrimSuffix(path.Base(file), ".yaml") }
