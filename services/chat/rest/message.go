package rest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// PostMessage appends a message to the General room. A client that retries with the same
// clientId gets the same response.
func (s Server) PostMessage(ctx context.Context, r PostMessageRequestObject) (PostMessageResponseObject, error) {
	agent, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	draft := draftOf(agent, r.Body.ClientId, r.Body.Text)
	draft.Stream = chat.General
	entry, err := s.Sender.Send(ctx, draft)
	return PostMessage201JSONResponse(entry), withPointer(err)
}

// Announce sends an administrator's announcement to an audience.
func (s Server) Announce(ctx context.Context, r AnnounceRequestObject) (AnnounceResponseObject, error) {
	admin, err := auth.Require(ctx, auth.Admin)
	if err != nil {
		return nil, err
	}
	draft := draftOf(admin, r.Body.ClientId, r.Body.Text)
	streams, err := s.Sender.Announce(ctx, draft, r.Body.Audience)
	return Announce202JSONResponse{Id: draft.ID, Streams: streams}, withPointer(err)
}

// pointers locates faults of a draft in the body of a request, by their code.
var pointers = map[string]string{
	chat.ErrTextEmpty.Code:   "#/text",
	chat.ErrTextTooLong.Code: "#/text",
	chat.ErrTextBroken.Code:  "#/text",
	chat.ErrIDInvalid.Code:   "#/clientId",
	chat.ErrIDReused.Code:    "#/clientId",
	chat.ErrNoAgent.Code:     "#/audience",
}

// withPointer adds the place of a fault in the body of a message or an announcement.
func withPointer(err error) error {
	found := fault.Of(err)
	if pointer := pointers[found.Code]; pointer != "" {
		return found.At(fault.Field{Pointer: pointer, Detail: found.Detail})
	}
	return err
}

// draftOf returns a draft with the client's id, or else a new one.
func draftOf(author auth.Agent, clientID *string, text string) chat.Draft {
	d := chat.Draft{ID: uuid.NewString(), Author: author.Login, Avatar: author.Avatar, Body: text}
	if clientID != nil {
		d.ID = *clientID
	}
	return d
}

// ReadSince lists the entries of the agent's streams after a cursor or, on a first call,
// after a time.
func (s Server) ReadSince(ctx context.Context, r ReadSinceRequestObject) (ReadSinceResponseObject, error) {
	agent, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	page, err := s.since(ctx, agent.Login, r.Params.Since, limitOr(r.Params.Limit, defaultEntries))
	return ReadSince200JSONResponse{Entries: page.Entries, Cursor: page.Cursors.String(), More: page.More}, err
}

func (s Server) since(ctx context.Context, login, since string, limit int) (chat.Page, error) {
	if at, err := time.Parse(time.RFC3339, since); err == nil {
		return s.Log.SinceTime(ctx, login, at, limit)
	}
	cursor, err := chat.ParseCursors(since)
	if err != nil {
		return chat.Page{}, web.BadQuery("since", "is neither a cursor that was given out here nor a time in RFC 3339")
	}
	return s.Log.Since(ctx, login, cursor, limit)
}
