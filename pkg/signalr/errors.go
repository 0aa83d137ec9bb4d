package signalr

import (
	"errors"
	"fmt"

	"parley.internal/pkg/signalr/internal/wire"
)

// HubError is an error with a text for the client. The text of any other error stays on the server: the
// client is told of an unexpected error.
type HubError string

// Error returns the text.
func (e HubError) Error() string { return string(e) }

// ErrUnauthorized is the error of a method for users without the right to invoke the method.
var ErrUnauthorized = errors.New("signalr: user is unauthorized")

// errArguments is the error of arguments for a method with other parameters.
var errArguments = errors.New("signalr: arguments do not fit the method")

// The reasons to reject an invocation before the method runs.
var (
	errUnknownMethod = errors.New("signalr: no such method")
	errStreaming     = errors.New("signalr: the method is a stream")
	errNotStreaming  = errors.New("signalr: the method is no stream")
	errIDInUse       = errors.New("signalr: the invocation's id is in use")
)

// errorText returns the text that tells the client of a failed invocation. The texts are the reference
// server's: clients compare them.
func errorText(m *wire.Message, err error) string {
	for _, known := range []struct {
		err          error
		format, name string
	}{
		{errUnknownMethod, "Unknown hub method '%s'", m.Target},
		{errNotStreaming, "The client attempted to invoke the non-streaming '%s' method with a streaming invocation.", m.Target},
		{errStreaming, "The client attempted to invoke the streaming '%s' method with a non-streaming invocation.", m.Target},
		{errIDInUse, "Invocation ID '%s' is already in use.", m.ID},
		{errArguments, "Failed to invoke '%s' due to an error on the server.", m.Target},
		{ErrUnauthorized, "Failed to invoke '%s' because user is unauthorized", m.Target},
	} {
		if errors.Is(err, known.err) {
			return fmt.Sprintf(known.format, known.name)
		}
	}
	return withHubError(fmt.Sprintf("An unexpected error occurred invoking '%s' on the server.", m.Target), err)
}

func closedWithError(err error) string {
	return withHubError("Connection closed with an error.", err)
}

func withHubError(text string, err error) string {
	if told, ok := errors.AsType[HubError](err); ok {
		return text + " HubException: " + string(told)
	}
	return text
}
