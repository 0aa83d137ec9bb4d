package rest

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// defaultPage is the default limit of the contract.
const defaultPage = 50

// page returns the parameters of a list: the text inside its cursor, "" if
// there is none, and the limit.
func (r *request) page() (after string, limit int, err error) {
	query := r.URL.Query()
	limit = defaultPage
	if query.Has("limit") {
		// An integer of the contract may be written as 1e1.
		if limit, err = strconv.Atoi(query.Get("limit")); err != nil {
			const detail = "must be written in digits alone"
			return "", 0, contract.ErrRequest.With("limit " + detail).At(fault.Field{Parameter: "limit", Detail: detail})
		}
	}
	decoded, err := base64.RawURLEncoding.DecodeString(query.Get("cursor"))
	after = string(decoded)
	if err != nil || after != "" && !isVisible(after, maxNumber+len(".-9223372036854775808")) {
		return "", 0, errInvalidCursor
	}
	return after, limit, nil
}

// policyPage returns the parameters of a list of policies.
func (r *request) policyPage() (after policy.Cursor, limit int, err error) {
	text, limit, err := r.page()
	if err != nil || text == "" {
		return policy.Cursor{}, limit, err
	}
	at, number, _ := strings.Cut(text, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || number == "" {
		return policy.Cursor{}, 0, errInvalidCursor
	}
	return policy.Cursor{CreatedAt: time.UnixMicro(micros), Number: number}, limit, nil
}

// errInvalidCursor rejects a text that fits the contract and is no cursor of this
// list.
var errInvalidCursor = web.BadQuery("cursor", "is not one that this list has given")
