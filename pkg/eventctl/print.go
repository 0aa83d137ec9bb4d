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

// print writes a result as JSON, or as a table filled by write.
func (c *CLI) print(f *flags, result any, write func(*table)) error {
	if f.json {
		encoder := json.NewEncoder(c.Out)
		encoder.SetEscapeHTML(false)
		if list := reflect.ValueOf(result); list.Kind() == reflect.Slice && list.IsNil() {
			result = []any{} // an empty list is printed as [], not as null
		}
		return encoder.Encode(result)
	}
	t := &table{Writer: tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)}
	write(t)
	return t.Flush()
}

type table struct{ *tabwriter.Writer }

func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = printable(fmt.Sprint(cell))
	}
	fmt.Fprintln(t, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

func (t *table) gap() { _, _ = io.WriteString(t, "\n") }

// printable replaces control characters by spaces: they could move a terminal's
// cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
