package signalr_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

func echo(_ context.Context, _ *signalr.Conn, s string) (string, error) { return s, nil }

func TestInvocationsAreCompleted(t *testing.T) {
	const unexpected = `An unexpected error occurred invoking '%s' on the server.`
	failure := func(format, target string) string {
		return `{"type":3,"invocationId":"1","error":"` + strings.ReplaceAll(format, "%s", target) + `"}`
	}
	tests := map[string]struct {
		send string
		want []string
	}{
		"a result": {
			send: `{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`,
			want: []string{`{"type":3,"invocationId":"1","result":"hi"}`},
		},
		"no parameters": {
			send: `{"type":1,"invocationId":"1","target":"Zero","arguments":[]}`,
			want: []string{`{"type":3,"invocationId":"1","result":"zero"}`},
		},
		"two parameters": {
			send: `{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}`,
			want: []string{`{"type":3,"invocationId":"1","result":3}`},
		},
		"three parameters": {
			send: `{"type":1,"invocationId":"1","target":"Join","arguments":["a","b","c"]}`,
			want: []string{`{"type":3,"invocationId":"1","result":"abc"}`},
		},
		"four parameters": {
			send: `{"type":1,"invocationId":"1","target":"Collect","arguments":[1,"b",true,[4]]}`,
			want: []string{`{"type":3,"invocationId":"1","result":[1,"b",true,[4]]}`},
		},
		"no result is null, whatever the number of parameters": {
			send: `{"type":1,"invocationId":"0","target":"Do0","arguments":[]}` + sep +
				`{"type":1,"invocationId":"1","target":"Do1","arguments":["a"]}` + sep +
				`{"type":1,"invocationId":"2","target":"Do2","arguments":["a",2]}` + sep +
				`{"type":1,"invocationId":"3","target":"Do3","arguments":["a",2,true]}` + sep +
				`{"type":1,"invocationId":"4","target":"Do4","arguments":["a",2,true,{}]}`,
			want: []string{
				`{"type":3,"invocationId":"0","result":null}`,
				`{"type":3,"invocationId":"1","result":null}`,
				`{"type":3,"invocationId":"2","result":null}`,
				`{"type":3,"invocationId":"3","result":null}`,
				`{"type":3,"invocationId":"4","result":null}`,
			},
		},
		"method names ignore case": {
			send: `{"type":1,"invocationId":"1","target":"eCHO","arguments":["hi"]}`,
			want: []string{`{"type":3,"invocationId":"1","result":"hi"}`},
		},
		"headers and unknown fields are tolerated, in any order": {
			send: `{"x":[1],"arguments":["hi"],"headers":{"a":"b"},"target":"Echo","invocationId":"1","type":1}`,
			want: []string{`{"type":3,"invocationId":"1","result":"hi"}`},
		},
		"an unknown method": {
			send: `{"type":1,"invocationId":"1","target":"Nope","arguments":[1,2,3]}`,
			want: []string{failure(`Unknown hub method '%s'`, "Nope")},
		},
		"too few arguments": {
			send: `{"type":1,"invocationId":"1","target":"Add","arguments":[1]}`,
			want: []string{failure(`Failed to invoke '%s' due to an error on the server.`, "Add")},
		},
		"too many arguments": {
			send: `{"type":1,"invocationId":"1","target":"Zero","arguments":[1]}`,
			want: []string{failure(`Failed to invoke '%s' due to an error on the server.`, "Zero")},
		},
		"an argument of another type": {
			send: `{"type":1,"invocationId":"1","target":"Echo","arguments":[{"a":1}]}`,
			want: []string{failure(`Failed to invoke '%s' due to an error on the server.`, "Echo")},
		},
		"a HubError": {
			send: `{"type":1,"invocationId":"1","target":"Refuse","arguments":[]}`,
			want: []string{failure(unexpected+` HubException: not today`, "Refuse")},
		},
		"an internal error": {
			send: `{"type":1,"invocationId":"1","target":"Break","arguments":[]}`,
			want: []string{failure(unexpected, "Break")},
		},
		"a panic": {
			send: `{"type":1,"invocationId":"1","target":"Panic","arguments":[]}`,
			want: []string{failure(unexpected, "Panic")},
		},
		"a result that cannot be encoded": {
			send: `{"type":1,"invocationId":"1","target":"Unencodable","arguments":[]}`,
			want: []string{failure(unexpected, "Unencodable")},
		},
		"a user without the right": {
			send: `{"type":1,"invocationId":"1","target":"Forbid","arguments":[]}`,
			want: []string{failure(`Failed to invoke '%s' because user is unauthorized`, "Forbid")},
		},
		"a stream invocation of a method without a stream": {
			send: `{"type":4,"invocationId":"1","target":"Echo","arguments":["hi"]}`,
			want: []string{failure(`The client attempted to invoke the non-streaming '%s' method with a streaming invocation.`, "Echo")},
		},
		"a stream of an unknown method": {
			send: `{"type":4,"invocationId":"1","target":"Nope","arguments":[]}`,
			want: []string{failure(`Unknown hub method '%s'`, "Nope")},
		},
		"client streams for a method without": {
			send: `{"type":1,"invocationId":"1","target":"Zero","arguments":[],"streamIds":["7"]}`,
			want: []string{failure(unexpected+` HubException: Client sent 1 stream(s), Hub method expects 0.`, "Zero")},
		},
		"messages of a method precede its completion": {
			send: `{"type":1,"invocationId":"1","target":"Greet","arguments":["jim"]}`,
			want: []string{
				`{"type":1,"target":"Greeting","arguments":["jim",0]}`,
				`{"type":1,"target":"Greeting","arguments":["jim",1]}`,
				`{"type":1,"target":"Greeting","arguments":["jim",2]}`,
				`{"type":3,"invocationId":"1","result":3}`,
			},
		},
		"nilable parameters may be left out at the end": {
			send: `{"type":1,"invocationId":"1","target":"Optional","arguments":[1]}` + sep +
				`{"type":1,"invocationId":"2","target":"Optional","arguments":[1,[2]]}` + sep +
				`{"type":1,"invocationId":"3","target":"Optional","arguments":[1,null,{"a":3},4]}`,
			want: []string{
				`{"type":3,"invocationId":"1","result":[1,null,null,null]}`,
				`{"type":3,"invocationId":"2","result":[1,[2],null,null]}`,
				`{"type":3,"invocationId":"3","result":[1,null,{"a":3},4]}`,
			},
		},
		"other parameters may not be left out": {
			send: `{"type":1,"invocationId":"1","target":"Optional","arguments":[]}`,
			want: []string{failure(`Failed to invoke '%s' due to an error on the server.`, "Optional")},
		},
		"AfterCompletion runs before the next invocation": {
			send: `{"type":1,"invocationId":"1","target":"After","arguments":[]}` + sep +
				`{"type":1,"invocationId":"2","target":"Zero","arguments":[]}`,
			want: []string{
				`{"type":1,"target":"During","arguments":[]}`,
				`{"type":3,"invocationId":"1","result":"done"}`,
				`{"type":1,"target":"First","arguments":[]}`,
				`{"type":1,"target":"Second","arguments":[]}`,
				`{"type":3,"invocationId":"2","result":"zero"}`,
			},
		},
		"AfterCompletion runs without a completion": {
			send: `{"type":1,"target":"After","arguments":[]}`,
			want: []string{
				`{"type":1,"target":"During","arguments":[]}`,
				`{"type":1,"target":"First","arguments":[]}`,
				`{"type":1,"target":"Second","arguments":[]}`,
			},
		},
		"AfterCompletion does not run after a failure": {
			send: `{"type":1,"invocationId":"1","target":"After","arguments":[true]}`,
			want: []string{failure(unexpected+` HubException: not today`, "After")},
		},
		"no completion without an invocation id, not even an error": {
			send: `{"type":1,"target":"Echo","arguments":["hi"]}` + sep +
				`{"type":1,"target":"Nope","arguments":[]}` + sep +
				`{"type":1,"target":"Break","arguments":[]}` + sep +
				`{"type":1,"target":"Echo","arguments":[]}` + sep +
				`{"type":1,"invocationId":"","target":"Refuse","arguments":[]}` + sep +
				`{"type":1,"invocationId":null,"target":"Panic","arguments":[]}`,
		},
		"messages about unknown streams are ignored": {
			send: `{"type":2,"invocationId":"9","item":1}` + sep +
				`{"type":3,"invocationId":"9"}` + sep +
				`{"type":5,"invocationId":"9"}` + sep +
				`{"type":8,"sequenceId":1}` + sep +
				`{"type":9,"sequenceId":1}` + sep +
				`{"type":6}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, methodHub, func(t *testing.T, _ *signalr.Hub, n *network) {
				c := n.handshaken(t, nil)
				c.send(tt.send + sep)
				c.expect(tt.want...)
				c.expectNothing()
				c.send(`{"type":1,"invocationId":"last","target":"Zero","arguments":[]}` + sep)
				c.expect(`{"type":3,"invocationId":"last","result":"zero"}`)
			})
		})
	}
}

func TestMessagesMayBeSplitAndJoined(t *testing.T) {
	serve(t, methodHub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.open(t, "/hub", nil)
		whole := `{"protocol":"json","version":1}` + sep +
			`{"type":1,"invocationId":"1","target":"Echo","arguments":["ü"]}` + sep +
			`{"type":6}` + sep +
			`{"type":1,"invocationId":"2","target":"Add","arguments":[1,2]}` + sep
		for i := range len(whole) {
			if err := c.ws.WriteMessage(1, []byte{whole[i]}); err != nil {
				t.Fatal(err)
			}
		}
		c.expect(`{}`, `{"type":3,"invocationId":"1","result":"ü"}`, `{"type":3,"invocationId":"2","result":3}`)
	})
	serve(t, methodHub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.open(t, "/hub", nil)
		call := `{"type":1,"invocationId":"1","target":"Echo","arguments":["` + strings.Repeat("x", 20_000) + `"]}` + sep
		c.send(`{"protocol":"json","version":1}` + sep + strings.Repeat(call, 5))
		c.expect(`{}`)
		for range 5 {
			c.expect(`{"type":3,"invocationId":"1","result":"` + strings.Repeat("x", 20_000) + `"}`)
		}
	})
}

func TestMethodsOfAClientRunInTurn(t *testing.T) {
	entered, leave := make(chan int), make(chan struct{})
	hub := func() *signalr.Hub {
		entered, leave = make(chan int), make(chan struct{})
		h := signalr.New(signalr.Options{Logger: quiet})
		h.Handle("Wait", signalr.Func1(func(_ context.Context, _ *signalr.Conn, i int) (int, error) {
			entered <- i
			<-leave
			return i, nil
		}))
		return h
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Wait","arguments":[1]}` + sep +
			`{"type":1,"invocationId":"2","target":"Wait","arguments":[2]}` + sep)
		for i := 1; i <= 2; i++ {
			if got := <-entered; got != i {
				t.Fatalf("call %d runs, want call %d", got, i)
			}
			synctest.Wait()
			select {
			case other := <-entered:
				t.Fatalf("call %d runs beside call %d", other, i)
			default:
			}
			leave <- struct{}{}
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":%d}`, i, i))
		}
	})
}

// TestCompletionHookIsReleased registers a function with a large value: an idle connection must not
// retain the value.
func TestCompletionHookIsReleased(t *testing.T) {
	d := newRecorder(signalr.Options{})
	gone := make(chan struct{})
	d.Handle("Leave", signalr.Action0(func(ctx context.Context, c *signalr.Conn) error {
		large := new([1 << 20]byte)
		runtime.AddCleanup(large, func(struct{}) { close(gone) }, struct{}{})
		c.AfterCompletion(func(context.Context) error { return c.Send("Told", large[0]) })
		return nil
	}))
	r := openHub(t, d)
	ws := connect(t, strings.TrimSuffix(r.url, "/hub"), "", 0)
	defer hangUp(ws)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":1,"target":"Leave","arguments":[]}`+sep)); err != nil {
		t.Fatal(err)
	}
	if m, err := readCall(ws); err != nil || m.Target != "Told" {
		t.Fatalf("got %v, error %v", m, err)
	}
	for late := time.After(10 * time.Second); ; {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-late:
			t.Fatal("the connection retains the value")
		default:
		}
	}
}
