package rest

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
)

// PostMessage says something in the General room. A client that retries sends
// the same clientId, and gets the same answer.
func (s Server) PostMessage(ctx context.Context, r PostMessageRequestObject) (PostMessageResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	draft := draftOf(who, idOr(r.Body.ClientId), r.Body.Text)
	draft.Stream = chat.General
	entry, err := s.Sender.Send(ctx, draft)
	return PostMessage201JSONResponse(entry), pointed(err)
}

// Notify tells an audience something.
func (s Server) Notify(ctx context.Context, r NotifyRequestObject) (NotifyResponseObject, error) {
	who, err := auth.Require(ctx, auth.Admin)
	if err != nil {
		return nil, err
	}
	draft := draftOf(who, idOr(r.Body.ClientId), r.Body.Text)
	streams, err := s.Sender.Announce(ctx, draft, r.Body.Audience)
	return Notify202JSONResponse{Id: draft.ID, Streams: streams}, pointed(err)
}

// pointed says where in the body of a message or an announcement a fault is.
func pointed(err error) error {
	for pointer, faults := range map[string][]*fault.Error{
		"#/text":     {chat.ErrTextEmpty, chat.ErrTextTooLong, chat.ErrTextBroken},
		"#/clientId": {chat.ErrIDInvalid, chat.ErrIDReused},
		"#/audience": {chat.ErrNoAgent},
	} {
		for _, f := range faults {
			if errors.Is(err, f) {
				found := fault.Of(err)
				return found.At(fault.Field{Pointer: pointer, Detail: found.Detail})
			}
		}
	}
	return err
}

func draftOf(author auth.Agent, id, text string) chat.Draft {
	return chat.Draft{ID: id, Author: author.Login, Avatar: author.Avatar, Body: text}
}

// idOr is the client's, or a new one.
func idOr(clientID *string) string {
	if clientID == nil {
		return uuid.NewString()
	}
	return *clientID
}

// ReadSince answers what the agent's streams got since a cursor or, on a first
// call, since a time.
func (s Server) ReadSince(ctx context.Context, r ReadSinceRequestObject) (ReadSinceResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	page, err := s.since(ctx, who.Login, r.Params.Since, limitOr(r.Params.Limit, usualEntries))
	return ReadSince200JSONResponse{Entries: page.Entries, Cursor: page.Cursors.String(), More: page.More}, err
}

func (s Server) since(ctx context.Context, login, since string, limit int) (chat.Page, error) {
	if at, err := time.Parse(time.RFC3339, since); err == nil {
		return s.Log.SinceTime(ctx, login, at, limit)
	}
	cursor, err := chat.ParseCursors(since)
	if err != nil {
		return chat.Page{}, badQuery("since", "is neither a cursor that was given out here nor a time in RFC 3339")
	}
	return s.Log.Since(ctx, login, cursor, limit)
}
