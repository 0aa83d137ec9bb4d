package web

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// ErrBadCursor rejects a query parameter cursor that CutPage has not returned.
var ErrBadCursor = BadQuery("cursor", "is not a cursor of this list")

// CutPage returns the first limit items, and the cursor of the next page if there
// are more. Callers read limit+1 items to find out. The cursor is opaque to clients:
// the encoded text of the last item, for DecodeCursor.
func CutPage[T any](all []T, limit int, text func(T) string) (items []T, next *string) {
	if len(all) <= limit {
		return append([]T{}, all...), nil // In JSON never null.
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(text(all[limit-1])))
	return all[:limit], &cursor
}

// DecodeCursor returns the text in a cursor, "" for an empty cursor, or ErrBadCursor.
func DecodeCursor(cursor string) (text string, err error) {
	decoded, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !utf8.Valid(decoded) || bytes.ContainsRune(decoded, 0) {
		return "", ErrBadCursor
	}
	return string(decoded), nil
}
