package server

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley.internal/api"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
	"parley.internal/portal/docs"
	app "parley.internal/portal/web"
)

// hubs are the paths of chat's hubs.
var hubs = []string{"/hub", "/agentsChat"}

// routes dispatches all paths of the browser's single origin. The services' paths
// come from their contracts.
func (s *Server) routes() http.Handler {
	var mux, own web.Mux
	s.sessions.Register(&own)
	pages, chats := app.Handler(), s.chat.Handler()
	for _, path := range hubs {
		mux.Handle(path, chats)
		mux.Handle(path+"/", chats)
	}
	for document, handler := range map[string]http.Handler{
		"policy": s.policy.Handler(), "chat": chats, "portal": web.Deadline(s.origins.CORS(&own)),
	} {
		for _, prefix := range prefixes(paths(document)) {
			mux.Handle(prefix, handler)
			mux.Handle(prefix+"/", handler)
		}
	}
	mux.Handle("/api/", &own) // responds 404
	mux.Handle(docs.Path, s.docs)
	mux.Handle(docs.Script, pages)
	mux.Handle(docs.Script+".LICENSE.txt", pages)
	mux.Handle("/", pages)
	return web.Recover(&mux)
}

// measure counts requests per route of the portal's own paths.
func (s *Server) measure() *telemetry.Metrics {
	metrics := telemetry.NewMetrics()
	metrics.Routes(append(paths("portal"), docs.Path)...)
	s.policy.Measure(metrics)
	s.chat.Measure(metrics)
	return metrics
}

// paths returns the paths of an OpenAPI document. The documents are part of the
// program, so an unreadable one panics.
func paths(document string) []string {
	content, err := fs.ReadFile(api.Files, "openapi/"+document+".yaml")
	if err != nil {
		panic(err)
	}
	var openAPI struct{ Paths map[string]any }
	if err := yaml.Unmarshal(content, &openAPI); err != nil {
		panic(fmt.Errorf("paths of openapi/%s.yaml: %w", document, err))
	}
	return slices.Collect(maps.Keys(openAPI.Paths))
}

// prefixes shortens paths to two segments, such as /api/policies. A newer service
// may have more paths below a prefix; they are forwarded, too.
func prefixes(paths []string) (all []string) {
	for _, path := range paths {
		all = append(all, strings.Join(strings.SplitN(path, "/", 4)[:3], "/"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
