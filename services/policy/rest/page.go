package rest

import (
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
	after, err = web.DecodeCursor(query.Get("cursor"))
	if err != nil || after != "" && !isVisible(after, maxNumber+len(".-9223372036854775808")) {
		return "", 0, web.ErrBadCursor
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
		return policy.Cursor{}, 0, web.ErrBadCursor
	}
	return policy.Cursor{CreatedAt: time.UnixMicro(micros), Number: number}, limit, nil
}
