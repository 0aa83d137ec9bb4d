package signalr

import (
	"errors"
	"fmt"
)

// HubError is an error whose text the client may read. All others reach it as
// "something went wrong" only.
type HubError string

// Error is the text.
func (e HubError) Error() string { return string(e) }

// ErrUnauthorized makes a method answer that the user may not invoke it.
var ErrUnauthorized = errors.New("signalr: user is unauthorized")

// errArguments is what binding fails with: the client's arguments are not the
// method's.
var errArguments = errors.New("signalr: arguments do not fit the method")

// What an invocation is refused for before its method runs.
var (
	errUnknown      = errors.New("signalr: no such method")
	errStreaming    = errors.New("signalr: the method is a stream")
	errNotStreaming = errors.New("signalr: the method is no stream")
	errIDInUse      = errors.New("signalr: the invocation's id is in use")
)

// refusal is what the client is told of a failed invocation. The texts are the
// reference server's: clients match on them.
func refusal(m *message, err error) string {
	switch {
	case errors.Is(err, errUnknown):
		return fmt.Sprintf("Unknown hub method '%s'", m.target)
	case errors.Is(err, errNotStreaming):
		return fmt.Sprintf("The client attempted to invoke the non-streaming '%s' method with a streaming invocation.", m.target)
	case errors.Is(err, errStreaming):
		return fmt.Sprintf("The client attempted to invoke the streaming '%s' method with a non-streaming invocation.", m.target)
	case errors.Is(err, errIDInUse):
		return fmt.Sprintf("Invocation ID '%s' is already in use.", m.invocationID)
	case errors.Is(err, errArguments):
		return fmt.Sprintf("Failed to invoke '%s' due to an error on the server.", m.target)
	case errors.Is(err, ErrUnauthorized):
		return fmt.Sprintf("Failed to invoke '%s' because user is unauthorized", m.target)
	default:
		return withHubError(fmt.Sprintf("An unexpected error occurred invoking '%s' on the server.", m.target), err)
	}
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
