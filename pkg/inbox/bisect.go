package inbox

import "cmp"

// bisection handles items in groups, each group under a savepoint, and isolates failing
// items. A savepoint for each item would cost two thirds of the speed.
//
// A failure undoes the whole group. The items before the failing item are handled again as a
// group of their own, then the failing item gets a second attempt, unless final says
// otherwise. When a handler hides an error of the database, the savepoint fails without
// an error of a handler: the group is halved until the item is found.
type bisection[T comparable] struct {
	group int // items under a savepoint

	// try handles items under a savepoint, at least the first of them, and returns how
	// many it handled. itemErr is the error of the handler of items[done], err an error
	// of the database. Either error undoes all of the items.
	try func(items []T) (done int, itemErr, err error)

	hasTime func() bool                   // whether another group may begin
	final   func(item T, err error) bool  // whether a second attempt is pointless
	abort   func(item T, err error) error // returns an error if a failure ends the run
	handled func(items []T)
	failed  func(item T, err error)
}

// run handles items in order and returns the items without time left. An error means
// that the whole transaction has failed.
func (b *bisection[T]) run(items []T) (rest []T, err error) {
	attempted := make(map[T]bool)
	size := b.group
	for rest = items; len(rest) > 0 && (len(rest) == len(items) || b.hasTime()); {
		group := rest[:min(size, len(rest))]
		done, itemErr, err := b.try(group)
		if itemErr == nil && err == nil {
			b.handled(group[:done])
			rest, size = rest[done:], b.group
			continue
		}
		if itemErr == nil && done == 0 { // No handler was called.
			return rest, err
		}
		suspect := group[0]
		if itemErr != nil {
			suspect = group[done]
		}
		cause := cmp.Or(itemErr, err)
		if err := b.abort(suspect, cause); err != nil {
			return rest, err
		}
		switch {
		case itemErr != nil && done > 0:
			attempted[suspect], size = true, done
		case itemErr != nil && !attempted[suspect] && !b.final(suspect, cause):
			attempted[suspect] = true
		case itemErr != nil || len(group) == 1:
			b.failed(suspect, cause)
			rest, size = rest[1:], b.group
		default:
			size = (len(group) + 1) / 2
		}
	}
	return rest, nil
}
