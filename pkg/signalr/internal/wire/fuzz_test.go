package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// checkParse verifies the promises of Parse for one record.
func checkParse(t *testing.T, f Format, record []byte) {
	t.Helper()
	again := bytes.Clone(record)
	m, err := f.Parse(record)
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("error %v is not ErrMalformed", err)
		}
		return
	}
	if (m.Kind == Invocation || m.Kind == StreamInvocation) && (m.Target == "" || m.Arguments == nil) {
		t.Fatalf("invocation %+v lacks a target or arguments", m)
	}
	if len(m.Arguments) > MaxArguments+1 {
		t.Fatalf("kept %d arguments, want at most %d", len(m.Arguments), MaxArguments+1)
	}
	clear(record) // as the next read does
	if want, err := f.Parse(again); err != nil || cmp.Diff(want, m) != "" {
		t.Fatal("the message shares memory with the record")
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi",null,{"a":[1]}],"streamIds":["2"],"headers":{"a":"b"}}`,
		`{"type":4,"invocationId":"1","target":"Echo","arguments":[]}`,
		`{"type":1,"target":"Echo","arguments":[1,2,3,null,5,6,7,8]}`,
		`{"type":6}`, `{"type":7,"error":"x","allowReconnect":true}`, `{"type":99}`, `{}`, ``, `null`, "\xff", `{"type":1e9}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, record []byte) { checkParse(t, JSONWebSocket, record) })
}

func FuzzParseMessagePack(f *testing.F) {
	for _, m := range []*Message{
		{Kind: Invocation, ID: "1", Target: "Echo", Value: []byte(`[{"a":[1,-2,3.5,null,true,"x"]}]`)},
		{Kind: StreamItem, ID: "1", Value: []byte(`18446744073709551615`)},
		{Kind: Completion, ID: "1", Value: []byte(`[]`)},
		{Kind: Completion, ID: "1", Error: "no"},
		{Kind: Completion, ID: "1"},
		{Kind: Ping},
		{Kind: Close, Error: "x", AllowReconnect: true},
	} {
		frame := MessagePackLongPolling.Encode(m)
		_, size, err := readLength(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[size:])
	}
	f.Add([]byte{0x96, 1, 0x80, 0xc0, 0xa1, 'T', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add(append([]byte{0x95, 1, 0x80, 0xc0, 0xa1, 'T', 0xdc, 1, 0}, make([]byte, 256)...))
	f.Fuzz(func(t *testing.T, record []byte) { checkParse(t, MessagePackWebSocket, record) })
}

// FuzzProtocolsAgree encodes a message in both protocols and compares the decoded messages.
func FuzzProtocolsAgree(f *testing.F) {
	f.Add("1", "Echo", `{"a":[1,-2,3.5,null,true,"x"],"b":18446744073709551615}`)
	f.Fuzz(func(t *testing.T, id, target, value string) {
		var v any
		if target == "" || !utf8.ValidString(id) || !utf8.ValidString(target) || json.Unmarshal([]byte(value), &v) != nil {
			return
		}
		m, err := NewMessage(Message{Kind: Invocation, ID: id, Target: target}, v)
		if err != nil {
			t.Fatal(err)
		}
		text, err := JSONLongPolling.Parse(bytes.TrimSuffix(JSONLongPolling.Encode(m), []byte{separator}))
		if err != nil {
			t.Fatal(err)
		}
		frame := MessagePackLongPolling.Encode(m)
		length, size, err := readLength(frame)
		if err != nil || size+length != len(frame) {
			t.Fatalf("got length %d of a frame of %d bytes, error %v", length, len(frame), err)
		}
		binary, err := MessagePackLongPolling.Parse(frame[size:])
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(text.Arguments[0], &a), json.Unmarshal(binary.Arguments[0], &b)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" || text.Target != binary.Target || text.ID != binary.ID {
			t.Fatalf("%s %q differs: %s", text.Target, text.ID, diff)
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte(`{"protocol":"json","version":1}`))
	f.Add([]byte(`{"protocol":"messagepack","version":2}`))
	f.Add([]byte(`{"protocol":null,"version":"1"}`))
	formats := map[string]Format{JSON: JSONWebSocket, MessagePack: MessagePackWebSocket}
	names := map[Format]string{JSONWebSocket: JSON, MessagePackWebSocket: MessagePack}
	f.Fuzz(func(t *testing.T, record []byte) {
		f, text := ParseHandshake(record, formats)
		if text == "" && !bytes.Contains(record, []byte(names[f])) {
			t.Fatalf("accepted %q", record)
		}
		if answer := HandshakeResponse(text).Record; !json.Valid(bytes.TrimSuffix(answer, []byte{separator})) {
			t.Fatalf("got the response %q, want JSON", answer)
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("one\x1etwo\x1e\x1ethree"), byte(3))
	f.Add([]byte(strings.Repeat("x", 5000)+"\x1e"), byte(0))
	f.Fuzz(func(t *testing.T, stream []byte, readers byte) {
		const limit = 1000
		var source io.Reader = bytes.NewReader(stream)
		switch readers % 3 {
		case 1:
			source = iotest.OneByteReader(source)
		case 2:
			source = iotest.DataErrReader(source)
		}
		r := Records{Source: source, Max: limit}
		want := bytes.Split(stream, []byte{separator})
		for i := 0; ; i++ {
			got, err := r.Next()
			switch {
			case errors.Is(err, ErrTooLarge):
				if len(want[i]) < limit {
					t.Fatalf("record %d of %d bytes is too large", i, len(want[i]))
				}
				return
			case err != nil:
				if i != len(want)-1 {
					t.Fatalf("got %d records, want %d", i, len(want)-1)
				}
				return
			case !bytes.Equal(got, want[i]):
				t.Fatalf("record %d is %q, want %q", i, got, want[i])
			case len(got) >= limit || cap(r.buffer) > max(smallBuffer, 2*limit):
				t.Fatalf("a record of %d bytes uses a buffer of %d bytes", len(got), cap(r.buffer))
			}
		}
	})
}
