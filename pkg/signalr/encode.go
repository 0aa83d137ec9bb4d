package signalr

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// separator ends each record: a handshake, or a message of the JSON protocol.
const separator = 0x1e

var pingRecord = []byte(`{"type":6}` + string(rune(separator)))

// encodeInvocation makes the record that calls target at a client.
func encodeInvocation(target string, args []any) ([]byte, error) {
	if args == nil {
		args = []any{} // clients want an array
	}
	record, err := encode(struct {
		Type      kind   `json:"type"`
		Target    string `json:"target"`
		Arguments []any  `json:"arguments"`
	}{kindInvocation, target, args})
	if err != nil {
		return nil, fmt.Errorf("encode the arguments of %s: %w", target, err)
	}
	return record, nil
}

// encodeResult makes the record that completes an invocation; a nil result is
// null.
func encodeResult(invocationID string, result any) ([]byte, error) {
	return encode(struct {
		Type         kind   `json:"type"`
		InvocationID string `json:"invocationId"`
		Result       any    `json:"result"`
	}{kindCompletion, invocationID, result})
}

// encodeFailure makes the record that completes an invocation with an error.
func encodeFailure(invocationID, text string) []byte {
	return mustEncode(struct {
		Type         kind   `json:"type"`
		InvocationID string `json:"invocationId"`
		Error        string `json:"error"`
	}{kindCompletion, invocationID, text})
}

// encodeClose makes the record that tells a client why it is being left.
func encodeClose(text string, allowReconnect bool) []byte {
	return mustEncode(struct {
		Type           kind   `json:"type"`
		Error          string `json:"error,omitempty"`
		AllowReconnect bool   `json:"allowReconnect,omitempty"`
	}{kindClose, text, allowReconnect})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	record := b.Bytes()
	record[len(record)-1] = separator // where the encoder puts a newline
	return record, nil
}

// mustEncode is for structs of strings and numbers, which always encode.
func mustEncode(v any) []byte {
	record, err := encode(v)
	if err != nil {
		panic("signalr: " + err.Error())
	}
	return record
}
