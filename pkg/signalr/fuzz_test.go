package signalr

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi",null,{"a":[1]}],"streamIds":["2"],"headers":{"a":"b"}}`,
		`{"type":4,"invocationId":"1","target":"Echo","arguments":[]}`,
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
		clear(record) // as the next read does
		again, err := parseJSON(before)
		if err != nil || cmp.Diff(again, m, cmp.AllowUnexported(message{})) != "" {
			t.Fatal("the message shares its memory with the record")
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte(`{"protocol":"json","version":1}`))
	f.Add([]byte(`{"protocol":"messagepack","version":2}`))
	f.Add([]byte(`{"protocol":null,"version":"1"}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		refusal := checkHandshake(record)
		if refusal == "" && !bytes.Contains(record, []byte("json")) {
			t.Fatalf("%q was welcome", record)
		}
		mustEncode(handshakeAnswer{refusal})
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
