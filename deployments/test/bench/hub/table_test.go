package hub

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// table collects the results of each server in each round.
type table struct {
	out     io.Writer
	title   string
	servers []string // in the order of their first result
	results map[string][]float64
}

func newTable(title string) *table {
	return &table{out: os.Stdout, title: title, results: make(map[string][]float64)}
}

// add adds the result of a server in one round.
func (t *table) add(server string, result float64) {
	if _, known := t.results[server]; !known {
		t.servers = append(t.servers, server)
	}
	t.results[server] = append(t.results[server], result)
	fmt.Fprintf(t.out, "    %-28s %12s  %s\n", server, short(result), t.title)
}

// print prints minimum, median and maximum of each server, and the ratio of the
// median to centrifuge's.
func (t *table) print() {
	if len(t.servers) == 0 {
		return
	}
	fmt.Fprintf(t.out, "\n%s (minimum, median, maximum of %d)\n", t.title, len(t.results[t.servers[0]]))
	for _, name := range t.servers {
		all := t.results[name]
		fmt.Fprintf(t.out, "  %-28s %12s %12s %12s", name, short(slices.Min(all)), short(t.median(name)), short(slices.Max(all)))
		if against := t.results[centrifuge]; against != nil && name != centrifuge {
			fmt.Fprintf(t.out, "   %.2f x %s", t.median(name)/t.median(centrifuge), centrifuge)
		}
		fmt.Fprintln(t.out)
	}
	fmt.Fprintln(t.out)
}

func (t *table) median(name string) float64 {
	sorted := slices.Sorted(slices.Values(t.results[name]))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// short formats a result with its significant digits.
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
