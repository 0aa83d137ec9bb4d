package policy

import "parley.internal/pkg/fault"

// Request names something that an agent asks for once, however often it is
// sent: Key is the agent's own choice.
type Request struct {
	AgentLogin string
	Method     string
	Path       string
	Key        string
	Digest     [32]byte // of the body: the same key with another body is a mistake
}

// Reply is the answer to a request, to be given again when it is sent again.
type Reply struct {
	Status   int
	Location string // "" if there is none
	Body     []byte
}

// What is wrong with a key.
var (
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency-key-reused",
		"This idempotency key was used for another request. Choose a new one.")
	ErrKeyInFlight = fault.New(fault.Conflict, "idempotency-key-in-flight",
		"A request with this idempotency key is still being answered. Try again in a moment.")
)
