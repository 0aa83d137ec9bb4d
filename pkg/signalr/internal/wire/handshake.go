package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The protocols by their names in a handshake.
const (
	JSON        = "json"
	MessagePack = "messagepack"
)

// HandshakeFailed is the error text for a request that is no handshake.
const HandshakeFailed = "An unexpected error occurred during connection handshake."

// handshakeResponse is the kind of handshake responses, which are no hub messages.
const handshakeResponse = 0

// HandshakeResponse encodes the response to a handshake request; an empty text accepts the client.
func HandshakeResponse(text string) *Message {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Error string `json:"error,omitempty"`
	}{text}) // a text has no encoding error
	record := b.Bytes()
	record[len(record)-1] = separator // instead of the encoder's newline
	return &Message{Kind: handshakeResponse, Record: record}
}

// ParseHandshake chooses among the formats of a transport, keyed by protocol. A non-empty text
// rejects the client; the response to an unknown protocol is formatted as JSON.
func ParseHandshake(record []byte, formats map[string]Format) (f Format, text string) {
	var in struct {
		Protocol *string `json:"protocol"`
		Version  *int    `json:"version"`
	}
	if err := json.Unmarshal(record, &in); err != nil || in.Protocol == nil || in.Version == nil {
		return formats[JSON], HandshakeFailed
	}
	f, known := formats[*in.Protocol]
	switch {
	case !known && *in.Protocol == MessagePack:
		return formats[JSON], "Cannot use the 'messagepack' protocol on the current transport. " +
			"The transport does not support 'Binary' transfer format."
	case !known:
		return formats[JSON], fmt.Sprintf("The protocol '%s' is not supported.", *in.Protocol)
	case *in.Version < 1 || *in.Version > 2:
		return f, fmt.Sprintf("The server does not support version %d of the '%s' protocol.", *in.Version, *in.Protocol)
	}
	return f, ""
}
