package server

import (
	"log/slog"
	"net/http"

	"parley.internal/chat"
	"parley.internal/chat/hub"
	"parley.internal/chat/rest"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/web"
)

// routes holds the handlers and their middleware.
type routes struct {
	tokens     auth.Verifier
	origins    web.Origins
	contract   *contract.Contract
	lastSeen   *chat.LastSeen
	agentsChat http.Handler
	hub        http.Handler
	rest       rest.Server
}

func (r routes) handler() http.Handler {
	var paths web.Mux
	rest.Register(&paths, r.rest)
	signedIn := auth.Middleware(r.tokens, web.Refuse)
	validated := r.contract.Middleware(web.Refuse)
	var mux web.Mux
	mux.Handle("/api/", web.Deadline(signedIn(r.recordLastSeen(validated(&paths)))))
	hubs := auth.HubMiddleware(r.tokens, web.Refuse)
	for path, handler := range map[string]http.Handler{hub.AgentsChatPath: r.agentsChat, hub.Path: r.hub} {
		mux.Handle(path, hubs(handler))
		mux.Handle(path+"/negotiate", hubs(handler))
	}
	return web.Recover(r.origins.CORS(&mux))
}

// recordLastSeen records the caller as an active agent. Callers of IntroduceAgents are
// left out: they are portals and other programs, not agents. An error is only logged.
func (r routes) recordLastSeen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		introduces := q.Method == http.MethodPut && q.URL.Path == "/api/agents"
		if caller, err := auth.FromContext(q.Context()); err == nil && !introduces {
			p := chat.Profile{Login: caller.Login, Name: caller.Name, Avatar: caller.Avatar}
			if err := r.lastSeen.Record(q.Context(), p); err != nil {
				slog.WarnContext(q.Context(), "last seen not stored", "agent", caller.Login, "error", err)
			}
		}
		next.ServeHTTP(w, q)
	})
}
