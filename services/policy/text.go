package policy

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// maxText bounds the characters of a name or a line of an address.
const maxText = 200

// ErrTextInvalid rejects a text. It names the field and never shows the text,
// because the text may be a tax id.
var ErrTextInvalid = fault.New(fault.Invalid, "text-invalid", "%s "+textRule+".")

const textRule = "must have 1 to 200 characters, some of them visible, none a control character"

// normalize returns a field's text without the space around it.
func normalize(field, text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.ContainsFunc(text, isVisible) || utf8.RuneCountInString(text) > maxText || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, unicode.IsControl) {
		return "", ErrTextInvalid.With(field)
	}
	return text, nil
}

// isVisible reports whether a character is printed; a zero-width space is not.
func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// pointTo adds a pointer to the invalid part of a request to an error.
func pointTo(pointer string, err error) error {
	f := fault.Of(err)
	return f.At(fault.Field{Pointer: pointer, Detail: strings.TrimSuffix(f.Detail, ".")})
}

// quote quotes a client's text for an error, at most 40 characters of it.
func quote(text string) string {
	const enough = 40
	if runes := []rune(text[:min(len(text), enough*utf8.UTFMax)]); len(runes) > enough {
		text = string(runes[:enough]) + "…"
	}
	return strconv.QuoteToGraphic(text)
}
