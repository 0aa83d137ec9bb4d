// Package bench measures Parley's event layer side by side with its foundations
// and with common alternatives, in one run: ratios are comparable between
// machines, absolute results are not.
package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table collects the results of each subject in each round.
type table struct {
	unit     string
	subjects []string // in the order of their first result
	results  map[string][]float64
}

func newTable(unit string) *table { return &table{unit: unit, results: make(map[string][]float64)} }

// add adds the result of a subject in one round.
func (t *table) add(subject string, result float64) {
	if _, known := t.results[subject]; !known {
		t.subjects = append(t.subjects, subject)
	}
	t.results[subject] = append(t.results[subject], result)
	fmt.Printf("    %-44s %10.0f %s\n", subject, result, t.unit)
}

func (t *table) median(subject string) float64 { return quantile(t.results[subject], 0.5) }

// print prints minimum, median and maximum of each subject, and the ratio of
// the median to the median of another subject.
func (t *table) print(title, against string) {
	fmt.Printf("\n%s (%s; minimum, median, maximum of %d)\n", title, t.unit, len(t.results[t.subjects[0]]))
	for _, subject := range t.subjects {
		all := t.results[subject]
		fmt.Printf("  %-44s %10.0f %10.0f %10.0f   %5.2f x %s\n", subject, slices.Min(all), t.median(subject), slices.Max(all),
			t.median(subject)/t.median(against), against)
	}
	fmt.Println()
}

func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// rate returns n per second.
func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

// body returns the body of an event, about as long as a PolicyCreated.
func body(i int) string {
	return fmt.Sprintf(`{"policyNumber":"P-%d","productCode":"TRI","policyFrom":"2026-12-01","policyTo":"2026-12-31",`+
		`"policyHolder":{"firstName":"Anna","lastName":"%s","taxId":"11111111116"},"totalPremium":98.00,"agentLogin":"jimmy.solid"}`,
		i, strings.Repeat("x", 20))
}
