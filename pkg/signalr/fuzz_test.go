package signalr

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi",null,{"a":[1]}],"streamIds":["2"],"headers":{"a":"b"}}`,
		`{"type":4,"invocationId":"1","target":"Echo","arguments":[]}`,
		`{"type":1,"target":"Echo","arguments":[1,2,3,null,5,6,7,8]}`,
		`{"type":6}`, `{"type":7,"error":"x","allowReconnect":true}`, `{"type":99}`, `{}`, ``, `null`, "\xff", `{"type":1e9}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		before := bytes.Clone(record)
		m, err := parseJSON(record)
		if err != nil {
			if !errors.Is(err, errMalformed) {
				t.Fatalf("%v is not about a malformed message", err)
			}
			return
		}
		if (m.kind == kindInvocation || m.kind == kindStreamInvocation) && (m.target == "" || m.arguments == nil) {
			t.Fatalf("%+v can be called", m)
		}
		if len(m.arguments) > mostArguments+1 {
			t.Fatalf("%d arguments are kept that fit no method", len(m.arguments))
		}
		clear(record) // as the next read does
		again, err := parseJSON(before)
		if err != nil || cmp.Diff(again, m, cmp.AllowUnexported(message{})) != "" {
			t.Fatal("the message shares its memory with the record")
		}
	})
}

func FuzzParseMsgpack(f *testing.F) {
	for _, o := range []*outbound{
		{kind: kindInvocation, id: "1", target: "Echo", arguments: []json.RawMessage{[]byte(`{"a":[1,-2,3.5,null,true,"x"]}`)}},
		{kind: kindStreamItem, id: "1", value: []byte(`18446744073709551615`)},
		{kind: kindCompletion, id: "1", value: []byte(`[]`)},
		{kind: kindCompletion, id: "1", failure: "no"},
		{kind: kindCompletion, id: "1"},
		{kind: kindPing},
		{kind: kindClose, failure: "x", reconnect: true},
	} {
		_, size, err := uvarint(o.msgpack())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(o.msgpack()[size:])
	}
	f.Add([]byte{0x96, 1, 0x80, 0xc0, 0xa1, 'T', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add(append([]byte{0x95, 1, 0x80, 0xc0, 0xa1, 'T', 0xdc, 1, 0}, make([]byte, 256)...))
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := parseMsgpack(record)
		if err != nil {
			if !errors.Is(err, errMalformed) {
				t.Fatalf("%v is not about a malformed message", err)
			}
			return
		}
		if (m.kind == kindInvocation || m.kind == kindStreamInvocation) && (m.target == "" || m.arguments == nil) {
			t.Fatalf("%+v can be called", m)
		}
		if len(m.arguments) > mostArguments+1 {
			t.Fatalf("%d arguments are kept that fit no method", len(m.arguments))
		}
		again, err := parseMsgpack(bytes.Clone(record))
		clear(record) // as the next read does
		if err != nil || cmp.Diff(again, m, cmp.AllowUnexported(message{})) != "" {
			t.Fatal("the message shares its memory with the record")
		}
	})
}

// FuzzBothProtocols has one message say the same in both.
func FuzzBothProtocols(f *testing.F) {
	f.Add("1", "Echo", `{"a":[1,-2,3.5,null,true,"x"],"b":18446744073709551615}`)
	f.Fuzz(func(t *testing.T, id, target, value string) {
		var v any
		if target == "" || !utf8.ValidString(id) || !utf8.ValidString(target) || json.Unmarshal([]byte(value), &v) != nil {
			return
		}
		o, err := invocationOf(id, target, []any{v})
		if err != nil {
			t.Fatal(err)
		}
		text, err := parseJSON(bytes.TrimSuffix(o.json(), []byte{separator}))
		if err != nil {
			t.Fatal(err)
		}
		length, size, err := uvarint(o.msgpack())
		if err != nil || size+length != len(o.msgpack()) {
			t.Fatalf("the length is %d of %d, error %v", length, len(o.msgpack()), err)
		}
		binary, err := parseMsgpack(o.msgpack()[size:])
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(text.arguments[0], &a), json.Unmarshal(binary.arguments[0], &b)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" || text.target != binary.target || text.invocationID != binary.invocationID {
			t.Fatalf("%s %q: %s", text.target, text.invocationID, diff)
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte(`{"protocol":"json","version":1}`))
	f.Add([]byte(`{"protocol":"messagepack","version":2}`))
	f.Add([]byte(`{"protocol":null,"version":"1"}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		f, refusal := checkHandshake(record, WebSockets)
		if name := map[format]string{jsonText: "json", msgpackBinary: "messagepack"}[f]; refusal == "" && !bytes.Contains(record, []byte(name)) {
			t.Fatalf("%q was welcome", record)
		}
		if answer := handshakeAnswer(refusal); !json.Valid(bytes.TrimSuffix(answer, []byte{separator})) {
			t.Fatalf("answered %q", answer)
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
		r := records{source: source, max: limit}
		want := bytes.Split(stream, []byte{separator})
		for i := 0; ; i++ {
			got, err := r.next()
			switch {
			case errors.Is(err, errTooLarge):
				if len(want[i]) < limit {
					t.Fatalf("record %d of %d bytes is too large", i, len(want[i]))
				}
				return
			case err != nil:
				if i != len(want)-1 {
					t.Fatalf("%d records, want %d", i, len(want)-1)
				}
				return
			case !bytes.Equal(got, want[i]):
				t.Fatalf("record %d is %q, want %q", i, got, want[i])
			case len(got) >= limit || cap(r.buffer) > max(firstBuffer, 2*limit):
				t.Fatalf("a record of %d bytes in a buffer of %d", len(got), cap(r.buffer))
			}
		}
	})
}

func FuzzTicket(f *testing.F) {
	ts := tickets{key: []byte("key")}
	_, good := ts.issue("jim", time.Unix(1_000_000, 0))
	f.Add(good, "anna")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, user string) {
		if _, _, err := ts.check(token, user, time.Unix(1_000_000, 0)); err == nil && (token != good || user != "jim") {
			t.Fatalf("%q may use %q", user, token)
		}
	})
}
