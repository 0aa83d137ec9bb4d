// Package docs serves the documentation of the contracts, and the contracts
// themselves.
//
// Its promise: the pages say what the contracts say, for they are made of
// them, and they need no other host.
package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"

	"parley.internal/api"
)

//go:embed page
var files embed.FS

const (
	// Path is the first page's; the others are below it.
	Path = "/docs/"
	// Script is Redoc, which renders the pages of REST. The web app's build
	// brings it, so the web app's handler serves it.
	Script = Path + "redoc.standalone.js"
	// policy lets Redoc style its page, and search in a worker that it makes. It
	// lets nothing come from another host.
	policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// rest is a page that Redoc renders.
type rest struct{ Title, Contract, Script string }

// Handler serves Path and what is below it, except Script. It fails on a
// contract that it cannot read.
func Handler() (http.Handler, error) {
	events, err := read(api.Files, "asyncapi/events.yaml", "examples/events")
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	hubs, err := read(api.Files, "asyncapi/hubs.yaml", "examples/hubs")
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	templates := template.Must(template.New("").Funcs(template.FuncMap{"prose": prose}).ParseFS(files, "page/*.html"))
	var mux http.ServeMux
	for _, page := range []struct {
		name, template string
		content        any
	}{
		{"{$}", "index.html", nil},
		{"policy", "rest.html", rest{"Policy", Path + "api/openapi/policy.yaml", Script}},
		{"chat", "rest.html", rest{"Chat", Path + "api/openapi/chat.yaml", Script}},
		{"session", "rest.html", rest{"Sign-in", Path + "api/openapi/portal.yaml", Script}},
		{"events", "messages.html", events},
		{"hubs", "messages.html", hubs},
	} {
		var body bytes.Buffer
		if err := templates.ExecuteTemplate(&body, page.template, page.content); err != nil {
			return nil, fmt.Errorf("documentation: %w", err)
		}
		mux.HandleFunc("GET "+Path+page.name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(body.Bytes()) // A browser that has gone away needs no page.
		})
	}
	mux.HandleFunc("GET "+Path+"style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page/style.css")
	})
	mux.Handle("GET "+Path+"api/", http.StripPrefix(Path+"api", contract()))
	return guard(&mux), nil
}

// contract serves the contract's files, and lists its folders.
func contract() http.Handler {
	server := http.FileServerFS(api.Files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Ext(r.URL.Path) == ".yaml" {
			// A browser shows it; it would save what is application/yaml.
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		server.ServeHTTP(w, r)
	})
}

func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}
