// Package rest is chat's HTTP side, for programs and for who was away.
package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/web"
)

// Log is what agents may read.
type Log interface {
	Since(ctx context.Context, login string, cursor chat.Cursor, limit int) (chat.Page, error)
	SinceTime(ctx context.Context, login string, after time.Time, limit int) (chat.Page, error)
}

const (
	usualPage = 200
	maxPage   = 1000
)

type messages struct {
	log    Log
	sender chat.Sender
}

// Register adds the routes to mux. Requests must come through auth.Middleware.
func Register(mux *web.Mux, log Log, sender chat.Sender) {
	m := messages{log: log, sender: sender}
	mux.HandleFunc("GET /api/messages/since", m.since)
	mux.HandleFunc("POST /api/messages", m.post)
}

// page is a part of the log, as it is sent.
type page struct {
	Entries []chat.Entry `json:"entries"`
	Cursor  string       `json:"cursor"` // the next since
	More    bool         `json:"more"`   // ask again at once
}

// since answers what the agent's streams got since a cursor or, on a first
// call, since a time.
func (m messages) since(w http.ResponseWriter, r *http.Request) {
	p, err := m.read(r)
	if err != nil {
		web.Refuse(w, r, err)
		return
	}
	web.Reply(w, http.StatusOK, page{Entries: p.Entries, Cursor: p.Cursor.String(), More: p.More})
}

func (m messages) read(r *http.Request) (chat.Page, error) {
	who, err := auth.FromContext(r.Context())
	if err != nil {
		return chat.Page{}, err //nolint:wrapcheck // It is told to the caller as it is.
	}
	limit, err := web.Limit(r, usualPage, maxPage)
	if err != nil {
		return chat.Page{}, err //nolint:wrapcheck // As above.
	}
	since := r.URL.Query().Get("since")
	if since == "" {
		return chat.Page{}, web.ErrBadQuery.With("since", "is missing: a cursor, or a time in RFC 3339 on a first call")
	}
	if at, err := time.Parse(time.RFC3339, since); err == nil {
		return m.log.SinceTime(r.Context(), who.Login, at, limit) //nolint:wrapcheck // The log says what it was doing.
	}
	cursor, err := chat.ParseCursor(since)
	if err != nil {
		return chat.Page{}, web.ErrBadQuery.With("since", "is neither a cursor that was given out here nor a time in RFC 3339")
	}
	return m.log.Since(r.Context(), who.Login, cursor, limit) //nolint:wrapcheck // As above.
}

// post says something in the General room. A client that retries sends the
// same clientId, and gets the same answer.
func (m messages) post(w http.ResponseWriter, r *http.Request) {
	entry, err := m.send(w, r)
	if err != nil {
		web.Refuse(w, r, err)
		return
	}
	web.Reply(w, http.StatusCreated, entry)
}

func (m messages) send(w http.ResponseWriter, r *http.Request) (chat.Entry, error) {
	who, err := auth.FromContext(r.Context())
	if err != nil {
		return chat.Entry{}, err //nolint:wrapcheck // It is told to the caller as it is.
	}
	var in struct {
		Text     *string `json:"text"`
		ClientID *string `json:"clientId"`
	}
	if err := web.Decode(w, r, &in); err != nil {
		return chat.Entry{}, err //nolint:wrapcheck // As above.
	}
	if in.Text == nil {
		return chat.Entry{}, web.ErrBadBody.With("text is missing")
	}
	id := uuid.NewString()
	if in.ClientID != nil {
		id = *in.ClientID
	}
	author := chat.Author{Login: who.Login, Avatar: who.Avatar}
	return m.sender.Send(r.Context(), author, id, *in.Text) //nolint:wrapcheck // The sender says what it refuses.
}
