// Package web serves the web app, which is built into the program.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// all: dist holds nothing but a hidden placeholder until the app is built.
//
//go:embed all:dist
var dist embed.FS

const (
	index = "index.html"
	// policy lets the page load and call nothing but its own origin.
	policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
	notBuilt = "The web app is not built into this program: build it with `make build`.\n"
)

// Handler serves the app's files, and its page at every path that is none: the
// app finds out there what to show.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The embedded folder has this name.
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this path takes GET", http.StatusMethodNotAllowed)
			return
		}
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(files, name)
		switch {
		case err == nil && !info.IsDir() && name != index:
			// A name in assets/ has a digest of what is in it.
			if strings.HasPrefix(name, "assets/") {
				header.Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			server.ServeHTTP(w, r)
		case strings.HasPrefix(name, "assets/"):
			http.NotFound(w, r) // An app of another version asks for it.
		case !strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.NotFound(w, r) // Nobody who could show a page.
		default:
			page(w, files)
		}
	})
}

func page(w http.ResponseWriter, files fs.FS) {
	body, err := fs.ReadFile(files, index)
	if err != nil {
		http.Error(w, notBuilt, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // A browser that has gone away needs no page.
}
