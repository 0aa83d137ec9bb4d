package rest

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"parley.internal/chat"
)

// ListStreams lists the streams of the agent.
func (s Server) ListStreams(ctx context.Context, r ListStreamsRequestObject) (ListStreamsResponseObject, error) {
	agent, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	after, err := decodeCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	streams, err := s.Log.Streams(ctx, agent.Login)
	if err != nil {
		return nil, err
	}
	if after != "" {
		i := slices.IndexFunc(streams, func(s chat.Stream) bool { return s.ID == after })
		if i < 0 {
			return nil, errBadCursor()
		}
		streams = streams[i+1:]
	}
	items, next := pageOf(streams, limitOr(r.Params.Limit, defaultItems), func(s chat.Stream) string { return s.ID })
	return ListStreams200JSONResponse{Items: items, Next: next}, nil
}

// ListEntries lists the entries of a stream, forward or backward.
func (s Server) ListEntries(ctx context.Context, r ListEntriesRequestObject) (ListEntriesResponseObject, error) {
	agent, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := chat.CheckReadable(agent.Login, r.Id); err != nil {
		return nil, err
	}
	from, err := startOf(r.Params)
	if err != nil {
		return nil, err
	}
	limit := limitOr(r.Params.Limit, defaultEntries)
	if !from.backward {
		entries, err := s.Log.After(ctx, r.Id, from.sequence, limit+1)
		items, next := pageOf(entries, limit, func(e chat.Entry) string { return pageStart{sequence: e.Sequence}.String() })
		return ListEntries200JSONResponse{Items: items, Next: next}, err
	}
	entries, err := s.Log.Before(ctx, r.Id, from.sequence, limit+1)
	slices.Reverse(entries)
	items, next := pageOf(entries, limit, func(e chat.Entry) string { return pageStart{e.Sequence, true}.String() })
	slices.Reverse(items)
	return ListEntries200JSONResponse{Items: items, Next: next}, err
}

// pageStart is the sequence before the first entry of a page, in either direction.
type pageStart struct {
	sequence int64
	backward bool
}

const (
	forwardMark  = "after "
	backwardMark = "before "
)

// String encodes the start of a page for a cursor.
func (p pageStart) String() string {
	mark := forwardMark
	if p.backward {
		mark = backwardMark
	}
	return mark + strconv.FormatInt(p.sequence, 10)
}

// startOf returns the start of the page after the cursor, or of the first page.
func startOf(q ListEntriesParams) (pageStart, error) {
	if q.After != nil && q.Before != nil {
		return pageStart{}, badQuery("before", "goes the other way than after: choose one")
	}
	text, err := decodeCursor(q.Cursor)
	switch {
	case err != nil:
		return pageStart{}, err
	case text == "" && q.Before != nil:
		return pageStart{*q.Before, true}, nil
	case text == "" && q.After != nil:
		return pageStart{*q.After, false}, nil
	case text == "":
		return pageStart{}, nil
	}
	digits, backward := strings.CutPrefix(text, backwardMark)
	if !backward {
		digits = strings.TrimPrefix(text, forwardMark)
	}
	p := pageStart{backward: backward}
	if p.sequence, err = strconv.ParseInt(digits, 10, 64); err != nil || p.sequence < 1 || p.String() != text {
		return pageStart{}, errBadCursor()
	}
	return p, nil
}
