package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// routes are the paths of the contract. Before each are the roles that it takes
// and the contract: who may not ask learns nothing of what is wrong.
type routes struct {
	web.Mux

	contract func(http.Handler) http.Handler
}

// HandleFunc implements the ServeMux of the generated code.
func (m *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	inside := m.contract(identified(http.HandlerFunc(handler)))
	roles := rolesOf(pattern)
	m.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.Require(r.Context(), roles...); len(roles) > 0 && err != nil {
			web.Refuse(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		inside.ServeHTTP(w, r)
	}))
}

// rolesOf are the roles of which a route takes one; all may read, but tariffs.
func rolesOf(pattern string) []string {
	method, path, _ := strings.Cut(pattern, " ")
	switch {
	case strings.HasSuffix(path, "/tariff"), strings.HasSuffix(path, "/activation"):
		return []string{auth.Admin}
	case method == http.MethodGet:
		return nil
	default:
		return []string{auth.Salesman, auth.Admin}
	}
}

// malformed refuses what fits the contract and yet does not become the
// operation's parameters and body: an integer written as 1e1, a day before 1900.
func malformed(w http.ResponseWriter, r *http.Request, err error) {
	var field fault.Field
	if e, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		field = fault.Field{Parameter: e.ParamName, Detail: "must be written in digits alone"}
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field = fault.Field{
			Pointer: "#/" + strings.ReplaceAll(e.Field, ".", "/"), Detail: "must not be the " + e.Value,
		}
	} else {
		field = fault.Field{Pointer: "#", Detail: err.Error()}
	}
	web.Refuse(w, r, contract.ErrRequest.With(field.Parameter+field.Pointer+" "+field.Detail).At(field))
}
