package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"unicode/utf8"
)

// Router calls the handlers of each event type with a transaction of type T. The zero
// Router is ready. Register all handlers before the first Dispatch; Dispatch is safe for
// concurrent use.
type Router[T any] struct {
	handlers map[string][]handler[T]
}

type handler[T any] func(ctx context.Context, tx T, m Message) error

// Validator is an event that validates its fields.
type Validator interface{ Validate() error }

// Handle registers fn for the type of E. A type may have several handlers; they
// run in the order of their registration and share one transaction, tx. A body that does
// not decode into E, or that E's Validate rejects, is a permanent error.
func Handle[T any, E Event](r *Router[T], fn func(ctx context.Context, tx T, m Message, e E) error) {
	var zero E
	if r.handlers == nil {
		r.handlers = make(map[string][]handler[T])
	}
	r.handlers[zero.Type()] = append(r.handlers[zero.Type()], func(ctx context.Context, tx T, m Message) error {
		var e E
		if !utf8.Valid(m.Data) {
			return Permanent(fmt.Errorf("decode %s %s: the body is not UTF-8", m.Type, m.ID))
		}
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return Permanent(fmt.Errorf("decode %s %s: %w", m.Type, m.ID, err))
		}
		if v, ok := any(e).(Validator); ok {
			if err := v.Validate(); err != nil {
				return Permanent(fmt.Errorf("decode %s %s: %w", m.Type, m.ID, err))
			}
		}
		return fn(ctx, tx, m, e)
	})
}

// Types returns the event types with a handler, sorted.
func (r *Router[T]) Types() []string { return slices.Sorted(maps.Keys(r.handlers)) }

// Dispatch calls the handlers of m's type and stops at the first error. A panic of a
// handler is an error. A type without a handler is a permanent error: a queue is bound
// and the handler was forgotten.
func (r *Router[T]) Dispatch(ctx context.Context, tx T, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handle %s %s: panic: %v\n%s", m.Type, m.ID, p, debug.Stack())
		}
	}()
	handlers := r.handlers[m.Type]
	if len(handlers) == 0 {
		return Permanent(fmt.Errorf("handle %s %s: no handler for this type", m.Type, m.ID))
	}
	for _, handle := range handlers {
		if err := handle(ctx, tx, m); err != nil {
			return fmt.Errorf("handle %s %s: %w", m.Type, m.ID, err)
		}
	}
	return nil
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks err as an error that no retry mends.
func Permanent(err error) error { return permanentError{err} }

// IsPermanent reports whether a retry is pointless.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanentError](err)
	return ok
}
