package policy

import "parley.internal/pkg/fault"

// IdempotencyKey identifies a request that takes effect once, however often it
// is sent. A request without a Key takes effect each time.
type IdempotencyKey struct {
	AgentLogin string
	Method     string
	Path       string
	Key        string   // chosen by the client; "" if the request has none
	Digest     [32]byte // SHA-256 of the body: the same key with another body is an error
}

// Response is the answer to a request, stored with its idempotency key and
// replayed when the request is sent again.
type Response struct {
	Status   int
	Location string // "" if there is none
	Body     []byte
}

// The errors of an idempotency key.
var (
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency-key-reused",
		"This idempotency key was used for another request. Choose a new one.")
	ErrKeyInFlight = fault.New(fault.Conflict, "idempotency-key-in-flight",
		"A request with this idempotency key is still being answered. Try again in a moment.")
)
