package rest

import (
	"context"
	"math"
	"slices"
	"strconv"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/web"
)

// ListStreams lists the streams of the agent.
func (s Server) ListStreams(ctx context.Context, r ListStreamsRequestObject) (ListStreamsResponseObject, error) {
	agent, err := auth.Require(ctx)
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
			return nil, web.ErrBadCursor
		}
		streams = streams[i+1:]
	}
	items, next := web.CutPage(streams, limitOr(r.Params.Limit, defaultItems), func(s chat.Stream) string { return s.ID })
	return ListStreams200JSONResponse{Items: items, Next: next}, nil
}

// ListEntries lists the entries of a stream, forward or backward.
func (s Server) ListEntries(ctx context.Context, r ListEntriesRequestObject) (ListEntriesResponseObject, error) {
	agent, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := chat.CheckReadable(agent.Login, r.Id); err != nil {
		return nil, err
	}
	start, err := startOf(r.Params)
	if err != nil {
		return nil, err
	}
	limit := limitOr(r.Params.Limit, defaultEntries)
	if start >= 0 {
		entries, err := s.Log.After(ctx, r.Id, start, limit+1)
		items, next := web.CutPage(entries, limit, func(e chat.Entry) string { return strconv.FormatInt(e.Sequence, 10) })
		return ListEntries200JSONResponse{Items: items, Next: next}, err
	}
	entries, err := s.Log.Before(ctx, r.Id, -start, limit+1)
	slices.Reverse(entries)
	items, next := web.CutPage(entries, limit, func(e chat.Entry) string { return strconv.FormatInt(-e.Sequence, 10) })
	slices.Reverse(items)
	return ListEntries200JSONResponse{Items: items, Next: next}, err
}

// startOf returns the start of a page: a sequence to read after, or the negative of a
// sequence to read before, backward.
func startOf(q ListEntriesParams) (int64, error) {
	if q.After != nil && q.Before != nil {
		return 0, web.BadQuery("before", "goes the other way than after: choose one")
	}
	text, err := decodeCursor(q.Cursor)
	switch {
	case err != nil:
		return 0, err
	case text != "":
		start, err := strconv.ParseInt(text, 10, 64)
		if err != nil || start == 0 || strconv.FormatInt(start, 10) != text {
			return 0, web.ErrBadCursor
		}
		return start, nil
	case q.Before != nil && *q.Before == 0: // the end of the stream
		return -math.MaxInt64, nil
	case q.Before != nil:
		return -*q.Before, nil
	case q.After != nil:
		return *q.After, nil
	default:
		return 0, nil
	}
}
