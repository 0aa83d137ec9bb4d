package web_test

import (
	"testing"

	"parley.internal/pkg/web"
)

func TestPageHasCursorIfMoreItemsFollow(t *testing.T) {
	tests := map[string]struct {
		found, items int
		next         bool
	}{
		"no items":           {0, 0, false},
		"fewer than a page":  {1, 1, false},
		"exactly a page":     {2, 2, false},
		"one more than that": {3, 2, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			items, next := web.CutPage(make([]string, tt.found), 2, func(s string) string { return s })
			if len(items) != tt.items || (next != nil) != tt.next || items == nil {
				t.Errorf("got items %v and cursor %v, want %d items, cursor %t", items, next, tt.items, tt.next)
			}
		})
	}
}
