// Package addevent follows the README's page "Add an event" to the letter, in a
// copy of the repository, and sees whether the event is told.
//
// It is tests alone: the page is true as long as they pass.
package addevent
