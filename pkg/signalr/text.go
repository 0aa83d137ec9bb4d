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

// The texts below are the reference server's: clients match on them.

func unknownMethod(target string) string {
	return fmt.Sprintf("Unknown hub method '%s'", target)
}

func notStreaming(target string) string {
	return fmt.Sprintf("The client attempted to invoke the non-streaming '%s' method with a streaming invocation.", target)
}

func unexpectedStreams(target string, n int) string {
	return invocationFailed(target, HubError(fmt.Sprintf("Client sent %d stream(s), Hub method expects 0.", n)))
}

func invocationFailed(target string, err error) string {
	switch {
	case errors.Is(err, errArguments):
		return fmt.Sprintf("Failed to invoke '%s' due to an error on the server.", target)
	case errors.Is(err, ErrUnauthorized):
		return fmt.Sprintf("Failed to invoke '%s' because user is unauthorized", target)
	default:
		return withHubError(fmt.Sprintf("An unexpected error occurred invoking '%s' on the server.", target), err)
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
