package rest

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

const usualPage = 50 // as the contract says

func limitOf(limit *int) int {
	if limit == nil {
		return usualPage
	}
	return *limit
}

// cut makes the page of at most limit items, of which one more was asked for:
// only so does one know whether there is another page. Next is its cursor.
func cut[T any](all []T, limit int, cursor func(T) string) (items []T, next *string) {
	if len(all) <= limit {
		return append([]T{}, all...), nil // Never null in JSON.
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(cursor(all[limit-1])))
	return all[:limit], &text
}

// insideOf is the text inside a cursor, "" if there is none.
func insideOf(cursor *string) (string, error) {
	if cursor == nil || *cursor == "" {
		return "", nil
	}
	inside, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || !isVisible(string(inside), maxNumber+len(".-9223372036854775808")) {
		return "", errBadCursor
	}
	return string(inside), nil
}

// errBadCursor refuses a text that fits the contract and is no cursor.
var errBadCursor = web.ErrBadQuery.With("cursor", notGiven).At(fault.Field{Parameter: "cursor", Detail: notGiven})

const notGiven = "is not one that this list has given"

func cursorOfPolicy(p *policy.Policy) string {
	return fmt.Sprintf("%d.%s", p.CreatedAt.UnixMicro(), p.Number)
}

func positionOf(cursor *string) (policy.Position, error) {
	inside, err := insideOf(cursor)
	if err != nil || inside == "" {
		return policy.Position{}, err
	}
	at, number, _ := strings.Cut(inside, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || number == "" {
		return policy.Position{}, errBadCursor
	}
	return policy.Position{CreatedAt: time.UnixMicro(micros), Number: number}, nil
}

// maxNumber is how long a number of an offer or a policy, or a product's code,
// may be. What is longer, or holds what no number holds, need not be looked up.
const maxNumber = 64

func isNumber(text string) bool { return isVisible(text, maxNumber) }

// isVisible reports whether text is 1 to most visible ASCII characters.
func isVisible(text string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
