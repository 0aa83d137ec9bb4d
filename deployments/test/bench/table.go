// Package bench measures Parley side by side with what it is built on and with
// what one would use instead, all in one run: the ratios mean something on any
// machine, the figures only on this one.
package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table collects what each way achieved in each round.
type table struct {
	unit    string
	order   []string
	figures map[string][]float64
}

func newTable(unit string) *table { return &table{unit: unit, figures: make(map[string][]float64)} }

// add notes a round's figure of a way.
func (t *table) add(way string, figure float64) {
	if _, known := t.figures[way]; !known {
		t.order = append(t.order, way)
	}
	t.figures[way] = append(t.figures[way], figure)
	fmt.Printf("    %-44s %10.0f %s\n", way, figure, t.unit)
}

func (t *table) median(way string) float64 { return quantile(t.figures[way], 0.5) }

// print shows minimum, median and maximum of each way, and how its median
// compares with that of another.
func (t *table) print(title, against string) {
	fmt.Printf("\n%s (%s; minimum, median, maximum of %d)\n", title, t.unit, len(t.figures[t.order[0]]))
	for _, way := range t.order {
		f := t.figures[way]
		fmt.Printf("  %-44s %10.0f %10.0f %10.0f   %5.2f x %s\n", way, slices.Min(f), t.median(way), slices.Max(f),
			t.median(way)/t.median(against), against)
	}
	fmt.Println()
}

func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// rate is how many of n a second.
func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

// body is an event's, about as long as a PolicyCreated.
func body(i int) string {
	return fmt.Sprintf(`{"policyNumber":"P-%d","productCode":"TRI","policyFrom":"2026-12-01","policyTo":"2026-12-31",`+
		`"policyHolder":{"firstName":"Anna","lastName":"%s","taxId":"11111111116"},"totalPremium":98.00,"agentLogin":"jimmy.solid"}`,
		i, strings.Repeat("x", 20))
}
