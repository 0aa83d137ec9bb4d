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

// PostMessage appends a message to the General room. A client that retries with the same
// clientId gets the same response.
func (s Server) PostMessage(ctx context.Context, r PostMessageRequestObject) (PostMessageResponseObject, error) {
	agent, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	draft := draftOf(agent, idOrNew(r.Body.ClientId), r.Body.Text)
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
	draft := draftOf(admin, idOrNew(r.Body.ClientId), r.Body.Text)
	streams, err := s.Sender.Announce(ctx, draft, r.Body.Audience)
	return Announce202JSONResponse{Id: draft.ID, Streams: streams}, withPointer(err)
}

// withPointer adds the place of a fault in the body of a message or an announcement.
func withPointer(err error) error {
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

// idOrNew returns the client's id, or a new one.
func idOrNew(clientID *string) string {
	if clientID == nil {
		return uuid.NewString()
	}
	return *clientID
}

// ReadSince lists the entries of the agent's streams after a cursor or, on a first call,
// after a time.
func (s Server) ReadSince(ctx context.Context, r ReadSinceRequestObject) (ReadSinceResponseObject, error) {
	agent, err := caller(ctx)
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
		return chat.Page{}, badQuery("since", "is neither a cursor that was given out here nor a time in RFC 3339")
	}
	return s.Log.Since(ctx, login, cursor, limit)
}
