package rest

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"parley.internal/chat"
)

// ListStreams lists what the agent reads.
func (s Server) ListStreams(ctx context.Context, r ListStreamsRequestObject) (ListStreamsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	after, err := inside(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	streams, err := s.Log.Streams(ctx, who.Login)
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
	items, next := pageOf(streams, limitOr(r.Params.Limit, usualItems), func(s chat.Stream) string { return s.ID })
	return ListStreams200JSONResponse{Items: items, Next: next}, nil
}

// ListEntries reads a stream, forward or backward.
func (s Server) ListEntries(ctx context.Context, r ListEntriesRequestObject) (ListEntriesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := chat.CheckReadable(who.Login, r.Id); err != nil {
		return nil, err
	}
	from, err := placeOf(r.Params)
	if err != nil {
		return nil, err
	}
	limit := limitOr(r.Params.Limit, usualEntries)
	if !from.backward {
		entries, err := s.Log.After(ctx, r.Id, from.sequence, limit+1)
		items, next := pageOf(entries, limit, func(e chat.Entry) string { return place{sequence: e.Sequence}.String() })
		return ListEntries200JSONResponse{Items: items, Next: next}, err
	}
	entries, err := s.Log.Before(ctx, r.Id, from.sequence, limit+1)
	slices.Reverse(entries)
	items, next := pageOf(entries, limit, func(e chat.Entry) string { return place{e.Sequence, true}.String() })
	slices.Reverse(items)
	return ListEntries200JSONResponse{Items: items, Next: next}, err
}

// place is where a page of a stream begins.
type place struct {
	sequence int64
	backward bool
}

const (
	forwardMark  = "after "
	backwardMark = "before "
)

// String is what a cursor holds.
func (p place) String() string {
	mark := forwardMark
	if p.backward {
		mark = backwardMark
	}
	return mark + strconv.FormatInt(p.sequence, 10)
}

// placeOf is that of the cursor, or of the first page.
func placeOf(q ListEntriesParams) (place, error) {
	if q.After != nil && q.Before != nil {
		return place{}, badQuery("before", "goes the other way than after: choose one")
	}
	text, err := inside(q.Cursor)
	switch {
	case err != nil:
		return place{}, err
	case text == "" && q.Before != nil:
		return place{*q.Before, true}, nil
	case text == "" && q.After != nil:
		return place{*q.After, false}, nil
	case text == "":
		return place{}, nil
	}
	digits, backward := strings.CutPrefix(text, backwardMark)
	if !backward {
		digits = strings.TrimPrefix(text, forwardMark)
	}
	p := place{backward: backward}
	if p.sequence, err = strconv.ParseInt(digits, 10, 64); err != nil || p.sequence < 1 || p.String() != text {
		return place{}, errBadCursor()
	}
	return p, nil
}
