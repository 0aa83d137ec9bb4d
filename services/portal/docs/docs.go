// Package docs serves the documentation of the contracts, and the contracts
// themselves.
//
// Its promise: the pages are rendered from the contracts and load nothing from
// another host.
package docs

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"

	"parley.internal/api"
	"parley.internal/pkg/web"
)

//go:embed page
var files embed.FS

const (
	// Path is the path of the start page and the prefix of all others.
	Path = "/docs/"
	// Script is the path of Redoc, the renderer of the REST pages. The web app's
	// build includes the script, so the web app's handler serves this path.
	Script = Path + "redoc.standalone.js"
	// policy allows Redoc's inline styles and its search worker, and no other host.
	policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// restPage is the content of rest.html.
type restPage struct{ Title, Contract, Script string }

// Handler serves Path and the paths below, except Script. An invalid contract is an
// error.
func Handler() (http.Handler, error) {
	events, errEvents := readPage(api.Files, "asyncapi/events.yaml", "examples/events")
	hubs, errHubs := readPage(api.Files, "asyncapi/hubs.yaml", "examples/hubs")
	if err := errors.Join(errEvents, errHubs); err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	templates := template.Must(template.New("").Funcs(template.FuncMap{"paragraphs": paragraphs}).ParseFS(files, "page/*.html"))
	var mux http.ServeMux
	for _, page := range []struct {
		name, template string
		content        any
	}{
		{"{$}", "index.html", nil},
		{"policy", "rest.html", restPage{"Policy", Path + "api/openapi/policy.yaml", Script}},
		{"chat", "rest.html", restPage{"Chat", Path + "api/openapi/chat.yaml", Script}},
		{"session", "rest.html", restPage{"Sign-in", Path + "api/openapi/portal.yaml", Script}},
		{"events", "messages.html", events},
		{"hubs", "messages.html", hubs},
	} {
		var body bytes.Buffer
		if err := templates.ExecuteTemplate(&body, page.template, page.content); err != nil {
			return nil, fmt.Errorf("documentation of %s: %w", page.name, err)
		}
		mux.HandleFunc("GET "+Path+page.name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(body.Bytes()) // An error means that the browser disconnected.
		})
	}
	mux.HandleFunc("GET "+Path+"style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page/style.css")
	})
	mux.Handle("GET "+Path+"api/", http.StripPrefix(Path+"api", contract()))
	return web.Secure(policy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})), nil
}

// contract serves the contract's files and directory listings.
func contract() http.Handler {
	server := http.FileServerFS(api.Files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Ext(r.URL.Path) == ".yaml" {
			// Browsers display text/plain, and download application/yaml.
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		server.ServeHTTP(w, r)
	})
}

// fragment is a part of a paragraph: text, or code in backticks.
type fragment struct {
	Text string
	Code bool
}

// paragraphs splits a description of a contract for the templates.
func paragraphs(text string) (all [][]fragment) {
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var paragraph []fragment
		for i, part := range strings.Split(block, "`") {
			paragraph = append(paragraph, fragment{part, i%2 == 1})
		}
		all = append(all, paragraph)
	}
	return all
}
