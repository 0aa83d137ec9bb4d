package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// MaxBody limits a request's body, in bytes.
const MaxBody = 64 << 10

// The errors of reading a request.
var (
	ErrNotJSON    = fault.New(fault.Unsupported, "not-json", "send the body as application/json")
	ErrTooLarge   = fault.New(fault.TooLarge, "body-too-large", "the body is larger than %d bytes")
	ErrBadBody    = fault.New(fault.Invalid, "body-invalid", "the body is not what is expected here: %s")
	ErrBadQuery   = fault.New(fault.Invalid, "query-invalid", "the query parameter %s %s")
	ErrNoSuchPath = fault.New(fault.NotFound, "not-found", "there is nothing at %s")
)

// BadQuery returns an ErrBadQuery that points to a query parameter. The detail follows
// the name: "must be a time".
func BadQuery(name, detail string) error {
	return ErrBadQuery.With(name, detail).At(fault.Field{Parameter: name, Detail: detail})
}

// Body reads the whole body of a JSON request, at most MaxBody bytes.
func Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, ErrNotJSON
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, ErrTooLarge.With(MaxBody)
	}
	if err != nil {
		return nil, ErrBadBody.With("it could not be read to its end")
	}
	return body, nil
}

// Decode reads a JSON request into v. Unknown fields are ignored.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := Body(w, r)
	if err != nil {
		return err
	}
	return Unmarshal(body, v)
}

// Unmarshal decodes a body into v. Its error names the invalid property or the
// byte offset of a syntax error.
func Unmarshal(body []byte, v any) error {
	if !utf8.Valid(body) {
		return ErrBadBody.With("it is not valid UTF-8")
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return ErrBadBody.With(cmp.Or(e.Field, "it") + " must not be " + article(e.Value))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return ErrBadBody.With("broken JSON at byte " + strconv.FormatInt(e.Offset, 10))
	}
	// A type's own UnmarshalJSON describes the expected value.
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	return ErrBadBody.With(err.Error())
}

// article prefixes the name of a JSON type with its indefinite article.
func article(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}
