// Package web serves the web app, embedded in the program.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"parley.internal/pkg/web"
)

// The prefix all: includes dist/.gitkeep, the only file before the app is built.
//
//go:embed all:dist
var dist embed.FS

const (
	index = "index.html"
	// policy restricts the page to its own origin.
	policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
	notBuilt = "This program does not contain the web app: build it with `make build`.\n"
)

// Handler serves the app's files, and the app's page at every other path: the app
// routes the path in the browser.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // impossible: the embedded folder has this name
	}
	server := http.FileServerFS(files)
	return web.Secure(policy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(files, name)
		switch {
		case err == nil && !info.IsDir() && name != index:
			// A file name in assets/ contains a digest of the content.
			if strings.HasPrefix(name, "assets/") {
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			server.ServeHTTP(w, r)
		case strings.HasPrefix(name, "assets/"), !strings.Contains(r.Header.Get("Accept"), "text/html"):
			// Requested by another version of the app, or not by a navigation in a browser.
			http.NotFound(w, r)
		default:
			page(w, files)
		}
	}))
}

func page(w http.ResponseWriter, files fs.FS) {
	body, err := fs.ReadFile(files, index)
	if err != nil {
		http.Error(w, notBuilt, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // An error means that the browser disconnected.
}
