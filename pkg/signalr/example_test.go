package signalr_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

func Example() {
	hub := signalr.New(signalr.Options{})
	hub.Handle("SendMessage", signalr.Action1(func(_ context.Context, _ *signalr.Conn, text string) error {
		if text == "" {
			return signalr.HubError("say something")
		}
		return hub.All().Send("ReceiveMessage", text)
	}))

	mux := http.NewServeMux()
	mux.Handle("/chat", hub)
	mux.Handle("/chat/", hub) // for /chat/negotiate
	server := httptest.NewServer(mux)
	defer server.Close()

	talk(os.Stdout, server.URL+"/chat", 3,
		`{"protocol":"json","version":1}`,
		`{"type":1,"invocationId":"1","target":"SendMessage","arguments":["hello"]}`)

	// A clean stop: tell the clients to come back elsewhere, wait until they have gone.
	hub.Drain(context.Background(), 0)
	if err := hub.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {}
	// {"type":1,"target":"ReceiveMessage","arguments":["hello"]}
	// {"type":3,"invocationId":"1","result":null}
}

func ExampleStream1() {
	hub := signalr.New(signalr.Options{})
	hub.Handle("Countdown", signalr.Stream1(func(ctx context.Context, _ *signalr.Conn, from int) (iter.Seq2[int, error], error) {
		if from < 0 {
			return nil, signalr.HubError("from zero or more")
		}
		return func(yield func(int, error) bool) {
			// It goes no faster than the client reads, and ends when that cancels.
			for i := from; i >= 0 && ctx.Err() == nil && yield(i, nil); i-- {
			}
		}, nil
	}))
	server := httptest.NewServer(hub)
	defer server.Close()
	talk(os.Stdout, server.URL, 4,
		`{"protocol":"json","version":1}`,
		`{"type":4,"invocationId":"1","target":"Countdown","arguments":[1]}`)
	// Output:
	// {}
	// {"type":2,"invocationId":"1","item":1}
	// {"type":2,"invocationId":"1","item":0}
	// {"type":3,"invocationId":"1"}
}

func ExampleCall() {
	hub := signalr.New(signalr.Options{})
	hub.Handle("Delete", signalr.Func1(func(ctx context.Context, c *signalr.Conn, name string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute) // People think.
		defer cancel()
		sure, err := signalr.Call[bool](ctx, c, "AreYouSure", name)
		if err != nil || !sure {
			return "", signalr.HubError("not deleted")
		}
		return "deleted " + name, nil
	}))
	server := httptest.NewServer(hub)
	defer server.Close()
	talk(os.Stdout, server.URL, 3,
		`{"protocol":"json","version":1}`,
		`{"type":1,"invocationId":"1","target":"Delete","arguments":["it"]}`,
		`{"type":3,"invocationId":"s1","result":true}`)
	// Output:
	// {}
	// {"type":1,"invocationId":"s1","target":"AreYouSure","arguments":["it"]}
	// {"type":3,"invocationId":"1","result":"deleted it"}
}

// talk does what an official client does, byte by byte: it sends a record, and
// prints what comes, until so many have come.
func talk(out io.Writer, url string, answers int, records ...string) {
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		fmt.Fprintln(out, err)
		return
	}
	defer hangUp(ws)
	for i := range answers {
		if i < len(records) {
			err = ws.WriteMessage(websocket.TextMessage, []byte(records[i]+"\x1e"))
		}
		if err != nil {
			fmt.Fprintln(out, err)
			return
		}
		_, data, err := ws.ReadMessage()
		if err != nil {
			fmt.Fprintln(out, err)
			return
		}
		fmt.Fprintln(out, strings.TrimSuffix(string(data), "\x1e"))
	}
}
