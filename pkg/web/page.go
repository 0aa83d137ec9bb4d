package web

import "encoding/base64"

// CutPage returns the first limit items, and the cursor of the next page if there
// are more. Callers read limit+1 items to find out. The cursor is opaque to clients:
// the encoded text of the last item.
func CutPage[T any](all []T, limit int, text func(T) string) (items []T, next *string) {
	if len(all) <= limit {
		return append([]T{}, all...), nil // In JSON never null.
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(text(all[limit-1])))
	return all[:limit], &cursor
}
