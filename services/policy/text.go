package policy

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// maxText is how many characters a name, or a line of an address, may have.
const maxText = 200

// ErrTextInvalid refuses a text; it names the field and never shows the text,
// which may be a tax id.
var ErrTextInvalid = fault.New(fault.Invalid, "text-invalid", "%s "+textRule+".")

const textRule = "must have 1 to 200 characters, some of them visible, none a control character"

// cleaned is text without the space around it.
func cleaned(field, text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.ContainsFunc(text, isVisible) || utf8.RuneCountInString(text) > maxText || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, unicode.IsControl) {
		return "", ErrTextInvalid.With(field)
	}
	return text, nil
}

// isVisible is false of what leaves no mark, a zero-width space among it.
func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// at points to the part of a request that err is about.
func at(pointer string, err error) error {
	refusal := fault.Of(err)
	return refusal.At(fault.Field{Pointer: pointer, Detail: strings.TrimSuffix(refusal.Detail, ".")})
}

// quoted is what somebody sent us, fit to be shown in an error.
func quoted(text string) string {
	const enough = 40
	if runes := []rune(text[:min(len(text), enough*utf8.UTFMax)]); len(runes) > enough {
		text = string(runes[:enough]) + "…"
	}
	return strconv.QuoteToGraphic(text)
}
