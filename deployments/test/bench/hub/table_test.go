package hub

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// table collects what each server achieved in each round.
type table struct {
	out     io.Writer
	title   string
	order   []string
	figures map[string][]float64
}

func newTable(title string) *table {
	return &table{out: os.Stdout, title: title, figures: make(map[string][]float64)}
}

// add notes a round's figure of a server.
func (t *table) add(name string, figure float64) {
	if _, known := t.figures[name]; !known {
		t.order = append(t.order, name)
	}
	t.figures[name] = append(t.figures[name], figure)
	fmt.Fprintf(t.out, "    %-28s %12s  %s\n", name, short(figure), t.title)
}

// print shows minimum, median and maximum of each server, and its median as a
// multiple of centrifuge's.
func (t *table) print() {
	if len(t.order) == 0 {
		return
	}
	fmt.Fprintf(t.out, "\n%s (minimum, median, maximum of %d)\n", t.title, len(t.figures[t.order[0]]))
	for _, name := range t.order {
		f := t.figures[name]
		fmt.Fprintf(t.out, "  %-28s %12s %12s %12s", name, short(slices.Min(f)), short(t.median(name)), short(slices.Max(f)))
		if against := t.figures[centrifuge]; against != nil && name != centrifuge {
			fmt.Fprintf(t.out, "   %.2f x %s", t.median(name)/t.median(centrifuge), centrifuge)
		}
		fmt.Fprintln(t.out)
	}
	fmt.Fprintln(t.out)
}

func (t *table) median(name string) float64 {
	sorted := slices.Sorted(slices.Values(t.figures[name]))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// short is a figure with the digits that mean something.
func short(f float64) string {
	switch {
	case math.Abs(f) >= 1000:
		return fmt.Sprintf("%.0f", f)
	case math.Abs(f) >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
