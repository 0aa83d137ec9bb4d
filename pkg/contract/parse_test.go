package contract_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley.internal/pkg/contract"
)

// TestHandlerDecodesValidatedValues searches for a valid body with an invalid
// value after decoding by encoding/json.
func TestHandlerDecodesValidatedValues(t *testing.T) {
	schemas, err := contract.Schemas(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	name := rapid.SampledFrom([]string{"title", "TITLE", "tiTle", "state", "ſtate", "authors", "Authors", "price", "x"})
	value := rapid.SampledFrom([]string{
		`"Snow"`, `"new"`, `""`, `7`, `-1`, `null`, `[{"name":"a"}]`, `[{"name":"a","Name":7}]`, `[{"name":"a","born":1,"BORN":"x"}]`, `[]`,
	})
	property := rapid.Custom(func(t *rapid.T) string {
		return `"` + name.Draw(t, "name") + `":` + value.Draw(t, "value")
	})
	good := rapid.SampledFrom([]string{`"title":"Snow"`, `"authors":[{"name":"a"}]`, `"price":1`})
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		properties := rapid.Permutation(append(
			rapid.SliceOfN(property, 0, 3).Draw(t, "any"),
			rapid.SliceOfNDistinct(good, 3, 3, rapid.ID).Draw(t, "good")...)).Draw(t, "all")
		body := "{" + strings.Join(properties, ",") + "}"
		if schemas["Book"].Validate([]byte(body)) != nil {
			return
		}
		valid++
		var book struct {
			Title, State string
			Price        float64
			Authors      []struct {
				Name string
				Born *int
			}
		}
		if err := json.Unmarshal([]byte(body), &book); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if book.Title == "" || len(book.Authors) == 0 || book.Price < 0 || book.State != "" && book.State != "new" {
			t.Fatalf("valid body %s decodes to %+v", body, book)
		}
	})
	if valid == 0 {
		t.Error("no generated body was valid")
	}
}
