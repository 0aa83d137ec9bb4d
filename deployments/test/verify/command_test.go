package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// commandOf returns the folder of a program's main package.
func commandOf(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(repository, "services/*/cmd", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("the command %s is in %v, error %v", name, found, err)
	}
	return found[0]
}

// structs are the folders of structs with `env` tags that programs share.
var structs = map[string]string{
	"rabbit.Config": "pkg/rabbit", "server.Limits": "services/chat/server", "chat.Limits": "services/chat/server",
}

// variables returns the names in the `env` tags of a program's structs, including the
// shared structs.
func variables(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for node := range ast.Preorder(parsed) {
			field, ok := node.(*ast.Field)
			if !ok {
				continue
			}
			if folder := structs[types.ExprString(field.Type)]; folder != "" {
				maps.Copy(names, variables(t, filepath.Join(repository, folder)))
			}
			if field.Tag == nil {
				continue
			}
			tag, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("env"), ","); name != "" {
				names[name] = true
			}
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s reads no environment", folder)
	}
	return names
}

func decimal(port uint32) string { return strconv.FormatUint(uint64(port), 10) }
