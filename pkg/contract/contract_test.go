package contract_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

func library(tb testing.TB) *contract.Contract {
	tb.Helper()
	c, err := contract.Open(os.DirFS("testdata"), "openapi/library.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// echo responds with the request body.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
})

// problemOf returns the problem of a rejected request, zero for a valid request.
func problemOf(t *testing.T, r *http.Request) web.Problem {
	t.Helper()
	w := httptest.NewRecorder()
	library(t).Middleware(web.Refuse)(echo).ServeHTTP(w, r)
	var p web.Problem
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("response %d %s is not a problem: %v", w.Code, w.Body, err)
		}
	}
	return p
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/books", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func get(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	r.Header.Set("Reader-Card", "r-7")
	return r
}

func TestValidRequestPassesWithBody(t *testing.T) {
	const book = `{"title":"Snow","authors":[{"name":"Pamuk","born":1952},{"name":"?","born":null}],` +
		`"price":12.30,"edition":1,"printed":"2004-02-29","a/b c":true,"readers":["x"],"unknown":{"Deep":[1e2]}}`
	w := httptest.NewRecorder()
	library(t).Middleware(web.Refuse)(echo).ServeHTTP(w, post(book))
	if w.Code != http.StatusOK || w.Body.String() != book {
		t.Errorf("got response %d %s, want 200 and the request body", w.Code, w.Body)
	}
}

func TestUncleanPathIsLeftToNext(t *testing.T) {
	for _, path := range []string{"//books", "/x/../books", "/books/./"} {
		w := httptest.NewRecorder()
		r := post("{}")
		r.URL.Path = path
		library(t).Middleware(web.Refuse)(echo).ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != "{}" {
			t.Errorf("POST %s: got response %d %s, want the response of next", path, w.Code, w.Body)
		}
	}
}

func TestEscapedPathValueIsValidated(t *testing.T) {
	r := get("/books/..%2F..")
	if p := problemOf(t, r); p.Status != http.StatusBadRequest {
		t.Errorf("got problem %+v, want a violation of the contract", p)
	}
}

func TestBodyFaultsAreAllReported(t *testing.T) {
	type fields = []fault.Field
	at := func(pointer, detail string) fault.Field { return fault.Field{Pointer: pointer, Detail: detail} }
	const rest = `"title":"Snow","authors":[{"name":"Pamuk"}],"price":1`
	tests := map[string]struct {
		body string
		want fields
	}{
		"array":               {`[]`, fields{at("#", "must be an object")}},
		"null":                {`null`, fields{at("#", "must be an object")}},
		"missing properties":  {`{"title":"Snow"}`, fields{at("#/authors", "is required"), at("#/price", "is required")}},
		"several faults":      {`{"title":7,"authors":[],"price":-1.5}`, fields{at("#/authors", "must not be empty"), at("#/price", "must be at least 0"), at("#/title", "must be a string")}},
		"nested faults":       {`{"title":"Snow","authors":[{"name":"a"},{"born":1.5}],"price":1}`, fields{at("#/authors/1/born", "must be an integer or null"), at("#/authors/1/name", "is required")}},
		"empty string":        {`{"title":"","authors":[{"name":"a"}],"price":1}`, fields{at("#/title", "must not be empty")}},
		"long string":         {`{"title":"` + strings.Repeat("ł", 21) + `","authors":[{"name":"a"}],"price":1}`, fields{at("#/title", "must have at most 20 characters")}},
		"third decimal":       {`{"title":"Snow","authors":[{"name":"a"}],"price":1.005}`, fields{at("#/price", "must be a multiple of 0.01")}},
		"just over maximum":   {`{"title":"Snow","authors":[{"name":"a"}],"price":10000000000000.00}`, fields{at("#/price", "must be at most 9999999999999.99")}},
		"huge exponent":       {`{"title":"Snow","authors":[{"name":"a"}],"price":1e999999999}`, fields{at("#/price", "has too many digits")}},
		"long number":         {`{"title":"Snow","authors":[{"name":"a"}],"price":0.` + strings.Repeat("0", 200) + `}`, fields{at("#/price", "has too many digits")}},
		"outside enum":        {`{` + rest + `,"state":"worn"}`, fields{at("#/state", "must be one of new, used")}},
		"invalid date":        {`{` + rest + `,"printed":"2003-02-29"}`, fields{at("#/printed", "must be a date, YYYY-MM-DD")}},
		"exclusive minimum":   {`{` + rest + `,"edition":0}`, fields{at("#/edition", "must be more than 0")}},
		"no alternative fits": {`{` + rest + `,"readers":7}`, fields{at("#/readers", "must be a string or an array")}},
		"array alternative":   {`{` + rest + `,"readers":["a",""]}`, fields{at("#/readers/1", "must not be empty")}},
		"string alternative":  {`{` + rest + `,"readers":""}`, fields{at("#/readers", "must not be empty")}},
		"unknown property":    {`{"title":"Snow","authors":[{"name":"a","age":7}],"price":1}`, fields{at("#/authors/0/age", "is not known here")}},
		"escaped name":        {`{` + rest + `,"a/b c":1}`, fields{at("#/a~1b%20c", "must be a boolean")}},
		"duplicate":           {`{` + rest + `,"price":2}`, fields{at("#/price", "is given twice")}},
		"nested duplicate":    {`{"title":"Snow","authors":[{"name":"a","name":"a"}],"price":1}`, fields{at("#/authors/0/name", "is given twice")}},
		"other case":          {`{` + rest + `,"EDITION":-1}`, fields{at("#/EDITION", "is written edition")}},
		"folded letter":       {`{` + rest + `,"ſtate":"worn"}`, fields{at("#/%C5%BFtate", "is written state")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := problemOf(t, post(tt.body))
			if diff := cmp.Diff(tt.want, p.Errors); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if p.Status != http.StatusBadRequest || p.Code != "request-invalid" || !strings.HasSuffix(p.Detail, tt.want[0].Pointer+" "+tt.want[0].Detail) {
				t.Errorf("got problem %+v, want 400 request-invalid with the first field", p)
			}
		})
	}
}

func TestUnreadableBodyIsRejected(t *testing.T) {
	plain := post(`{}`)
	plain.Header.Set("Content-Type", "text/plain")
	tests := map[string]struct {
		request *http.Request
		status  int
		code    string
		detail  string
	}{
		"content type":   {plain, 415, "not-json", ""},
		"too large":      {post(`"` + strings.Repeat("x", web.MaxBody) + `"`), 413, "body-too-large", ""},
		"empty":          {post(""), 400, "body-invalid", "broken JSON"},
		"incomplete":     {post(`{"title":}`), 400, "body-invalid", "broken JSON at byte 10"},
		"two values":     {post(`{} {}`), 400, "body-invalid", "broken JSON at byte 4"},
		"invalid UTF-8":  {post("\"\xff\""), 400, "body-invalid", "UTF-8"},
		"nested arrays":  {post(strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000)), 400, "body-invalid", "nested more than 100 deep"},
		"nested objects": {post(strings.Repeat(`{"authors":`, 101) + `1` + strings.Repeat(`}`, 101)), 400, "body-invalid", "nested more than 100 deep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := problemOf(t, tt.request)
			if p.Status != tt.status || p.Code != tt.code || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got problem %+v, want %d %s with %q", p, tt.status, tt.code, tt.detail)
			}
		})
	}
}

func TestParametersAreValidated(t *testing.T) {
	at := func(parameter, detail string) []fault.Field {
		return []fault.Field{{Parameter: parameter, Detail: detail}}
	}
	noCard := get("/books")
	noCard.Header.Del("Reader-Card")
	twoCards := get("/books")
	twoCards.Header.Add("Reader-Card", "r-8")
	tests := map[string]struct {
		request *http.Request
		want    []fault.Field
	}{
		"no parameters":      {get("/books"), nil},
		"all parameters":     {get("/books?limit=200&after=9223372036854775807&price=-1.5e2&lent=false&shelf=1&shelf=2&words=ab,cd"), nil},
		"unknown parameter":  {get("/books?color=red&color=blue"), nil},
		"not an integer":     {get("/books?limit=ten"), at("limit", "must be an integer")},
		"empty string":       {get("/books?limit="), at("limit", "must be an integer")},
		"hexadecimal":        {get("/books?limit=0x10"), at("limit", "must be an integer")},
		"plus sign":          {get("/books?limit=%2B5"), at("limit", "must be an integer")},
		"too small":          {get("/books?limit=0"), at("limit", "must be at least 1")},
		"repeated":           {get("/books?limit=1&limit=1"), at("limit", "is given more than once")},
		"over 64 bits":       {get("/books?after=9223372036854775808"), at("after", "must be an integer of 64 bits")},
		"not a number":       {get("/books?price=NaN"), at("price", "must be a number")},
		"huge exponent":      {get("/books?price=1e999999999"), at("price", "must be a number")},
		"not a boolean":      {get("/books?lent=1"), at("lent", "must be a boolean")},
		"invalid item":       {get("/books?shelf=1&shelf=x"), at("shelf", "must be an integer")},
		"too many items":     {get("/books?shelf=1&shelf=2&shelf=3"), at("shelf", "must have at most 2 items")},
		"short item":         {get("/books?words=ab,c"), at("words", "must have at least 2 characters")},
		"missing header":     {noCard, at("Reader-Card", "is required")},
		"repeated header":    {twoCards, at("Reader-Card", "is given more than once")},
		"path value":         {get("/books/12%2F34"), nil},
		"invalid path value": {get("/books/12%2F3x"), at("isbn", "must match ^[0-9/]+$")},
		"unknown path":       {get("/shelves/x"), nil},
		"unknown method":     {httptest.NewRequest(http.MethodDelete, "/books/1x", http.NoBody), nil},
		"HEAD of a GET":      {httptest.NewRequest(http.MethodHead, "/books/1x", http.NoBody), at("isbn", "must match ^[0-9/]+$")},
		"optional body":      {httptest.NewRequest(http.MethodPut, "/books/1/loan", http.NoBody), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, problemOf(t, tt.request).Errors); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMalformedQueryNamesParameter(t *testing.T) {
	for query, want := range map[string]string{
		"limit=%zz": "limit", "limit=1&a+b=%": "a b", "%zz=1": "query", "limit=1;after=2": "limit", ";": "query", "%ff=%zz": "query",
	} {
		p := problemOf(t, get("/books?"+query))
		fields := []fault.Field{{Parameter: want, Detail: "is not well formed"}}
		if diff := cmp.Diff(fields, p.Errors); p.Status != http.StatusBadRequest || p.Code != "request-invalid" || diff != "" {
			t.Errorf("%s: got %+v (-want +got):\n%s", query, p, diff)
		}
	}
}

// cpuTime returns the CPU time of this process. Unlike the clock's time, it does not
// grow while other processes run.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestHostileBodiesAreCheap(t *testing.T) {
	bodies := map[string]string{
		"exponents":     `{"price":[` + strings.Repeat(`1e300,`, 9000) + `1]}`,
		"invalid items": `{"authors":[` + strings.Repeat(`1,`, 30000) + `1]}`,
		"duplicates":    `{` + strings.Repeat(`"price":1,`, 6000) + `"title":1}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			start := cpuTime(t)
			p := problemOf(t, post(body))
			if took := cpuTime(t) - start; p.Status != http.StatusBadRequest || len(p.Errors) > 100 || took > 2*time.Second {
				t.Errorf("got status %d with %d errors after %s, want 400 with at most 100 within 2 s of CPU time", p.Status, len(p.Errors), took)
			}
		})
	}
}

func TestSchemasAndMessagesCompile(t *testing.T) {
	schemas, err := contract.Schemas(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	messages, err := contract.Messages(os.DirFS("testdata"), "asyncapi/hub.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for body, schema := range map[string]*contract.Schema{
		`{"isbn":"1"}`:   schemas["events/BookLent"],
		`[{"isbn":"1"}]`: messages["Lent"],
		`{"isbn":"2"}`:   messages["BookLent"],
		`{"name":"x"}`:   schemas["Author"],
	} {
		if err := schema.Validate([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	err = messages["Lent"].Validate([]byte(`[{"isbn":1}]`))
	if err == nil || !strings.Contains(err.Error(), "#/0/isbn must be a string") {
		t.Errorf("got error %v, want a type error at #/0/isbn", err)
	}
}

func TestOperationKnowsItsRoles(t *testing.T) {
	want := map[string][]string{"addBook": {"LIBRARIAN", "ADMIN"}, "listBooks": nil, "getBook": nil, "lend": nil}
	got := map[string][]string{}
	for _, o := range library(t).Operations {
		got[o.ID] = o.Roles
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}

func TestUnsupportedDocumentIsRejected(t *testing.T) {
	const parameter = `openapi: 3.1.0
paths: {/a: {get: {parameters: [{name: q, in: query, schema: %}], responses: {}}}}`
	tests := map[string]string{
		"broken YAML":          `{`,
		"no operations":        `{}`,
		"duplicate key":        `{a: 1, a: 2}`,
		"unquoted date":        strings.ReplaceAll(parameter, "%", "{type: string, enum: [2026-01-01]}"),
		"missing schema":       strings.ReplaceAll(parameter, "%", "{$ref: Nowhere.yaml}"),
		"invalid schema":       strings.ReplaceAll(parameter, "%", "{type: strin}"),
		"object parameter":     strings.ReplaceAll(parameter, "%", "{type: object}"),
		"parameter style":      strings.ReplaceAll(parameter, "schema: %", "style: pipeDelimited, schema: {}"),
		"cookie parameter":     strings.ReplaceAll(strings.ReplaceAll(parameter, "%", "{}"), "query", "cookie"),
		"missing path segment": strings.ReplaceAll(strings.ReplaceAll(parameter, "%", "{}"), "query", "path"),
		"form body":            `paths: {/a: {post: {requestBody: {content: {text/html: {schema: {}}}}}}}`,
		"roles not a list":     `paths: {/a: {get: {x-roles: ADMIN, responses: {}}}}`,
		"empty roles":          `paths: {/a: {get: {x-roles: [], responses: {}}}}`,
		"empty role name":      `paths: {/a: {get: {x-roles: [ADMIN, ""], responses: {}}}}`,
		"unknown response":     `paths: {/a: {get: {responses: {"200": {$ref: "#/components/responses/No"}}}}}`,
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(document)}}
			if c, err := contract.Open(fsys, "a.yaml"); err == nil {
				t.Errorf("document opened with operations %v, want an error", c.Operations)
			}
		})
	}
}

func BenchmarkMiddleware(b *testing.B) {
	handler := library(b).Middleware(web.Refuse)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const book = `{"title":"Snow","authors":[{"name":"Pamuk","born":1952}],"price":12.30,"edition":1,"printed":"2004-02-29"}`
	r, w := post(""), httptest.NewRecorder()
	body := strings.NewReader(book)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(book)
		r.Body = io.NopCloser(body)
		r.ContentLength = int64(len(book))
		handler.ServeHTTP(w, r)
	}
	if w.Code != http.StatusOK {
		b.Fatal(w.Code, w.Body)
	}
}
