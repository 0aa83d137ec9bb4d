package eventctl

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"unicode"
)

// print writes a result for programs or for people.
func (c *CLI) print(o *options, result any, people func(*table)) error {
	if o.json {
		encoder := json.NewEncoder(c.Out)
		encoder.SetEscapeHTML(false)
		if list := reflect.ValueOf(result); list.Kind() == reflect.Slice && list.IsNil() {
			result = []any{} // A list without members is a list.
		}
		return encoder.Encode(result) //nolint:wrapcheck // Standard output is the caller's.
	}
	t := &table{Writer: tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)}
	people(t)
	return t.Flush() //nolint:wrapcheck // As above.
}

type table struct{ *tabwriter.Writer }

func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = strings.Map(visible, fmt.Sprint(cell))
	}
	fmt.Fprintln(t, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

func (t *table) gap() { _, _ = io.WriteString(t, "\n") }

// visible keeps what somebody else wrote from moving the cursor.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
