package policy_test

import (
	"testing"
	"time"

	"parley.internal/policy"
)

func TestParseDateAcceptsOnlyDays(t *testing.T) {
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"a day":                        {"2026-11-20", true},
		"before the epoch":             {"1969-12-31", true},
		"29 February of a leap year":   {"2024-02-29", true},
		"the first date":               {"1900-01-01", true},
		"the last date":                {"9999-12-31", true},
		"29 February of a common year": {"2026-02-29", false},
		"before the first date":        {"1899-12-31", false},
		"a thirteenth month":           {"2026-13-01", false},
		"an instant":                   {"2026-11-20T00:00:00Z", false},
		"missing digits":               {"2026-1-2", false},
		"a fifth digit":                {"10000-01-01", false},
		"another order":                {"20.11.2026", false},
		"space":                        {" 2026-11-20", false},
		"an empty text":                {"", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := policy.ParseDate(tt.text)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, error %v", d, err)
			}
			if tt.ok && d.String() != tt.text {
				t.Errorf("got %[2]s, want %[1]s", tt.text, d)
			}
		})
	}
}

func TestDaysAreDaysOfUTC(t *testing.T) {
	east := time.FixedZone("east", 14*60*60)
	if got := policy.DateOf(time.Date(2026, 1, 1, 13, 59, 0, 0, east)); got != date("2025-12-31") {
		t.Errorf("got %s, want 2025-12-31", got)
	}
}
