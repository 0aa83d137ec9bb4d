package rest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley.internal/pkg/web"
	"parley.internal/policy"
)

const (
	usualPage = 50
	mostItems = 200
)

// list is a page of items. Next is the cursor of the page after it, null when
// there is none.
type list[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// pageOf makes the page of at most limit items, of which one more was asked
// for: only so does one know whether there is another page.
func pageOf[From, To any](all []From, limit int, item func(From) To, cursor func(From) string) list[To] {
	page := list[To]{Items: make([]To, 0, limit)}
	for i, from := range all {
		if i == limit {
			next := base64.RawURLEncoding.EncodeToString([]byte(cursor(all[i-1])))
			page.Next = &next
			break
		}
		page.Items = append(page.Items, item(from))
	}
	return page
}

// cursorOf is the text inside the query parameter cursor, "" if it is absent.
func cursorOf(r *http.Request) (string, error) {
	text := r.URL.Query().Get("cursor")
	if text == "" {
		return "", nil
	}
	inside, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !isVisible(string(inside), maxNumber+len(".-9223372036854775808")) {
		return "", errBadCursor()
	}
	return string(inside), nil
}

func errBadCursor() error {
	return web.ErrBadQuery.With("cursor", "is not one that this list has given")
}

func cursorOfPolicy(p *policy.Policy) string {
	return fmt.Sprintf("%d.%s", p.CreatedAt.UnixMicro(), p.Number)
}

func positionOf(cursor string) (policy.Position, error) {
	if cursor == "" {
		return policy.Position{}, nil
	}
	at, number, _ := strings.Cut(cursor, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || number == "" {
		return policy.Position{}, errBadCursor()
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
