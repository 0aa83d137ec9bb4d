package wire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// maxNesting is the depth of nesting up to which encoding/json decodes a value.
const maxNesting = 10_000

var errTooDeep = errors.New("nested too deep")

// EncodeValue encodes an argument, item or result as JSON without HTML escaping. Every protocol can
// convert the encoded value, so the sender learns of each encoding error here.
func EncodeValue(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	value := b.Bytes()[:b.Len()-1] // without the encoder's newline
	// encoding/json encodes deeper values than it decodes. Only a value with enough brackets needs
	// the complete check.
	if bytes.Count(value, []byte{'['})+bytes.Count(value, []byte{'{'}) > maxNesting && !json.Valid(value) {
		return nil, errTooDeep
	}
	return value, nil
}

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	text, err := EncodeValue(s)
	if err != nil {
		panic("signalr: " + err.Error()) // encoding a string cannot fail
	}
	return append(b, text...)
}
