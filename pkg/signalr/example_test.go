package signalr_test

import (
	"context"
	"errors"
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
			// The stream follows the pace of the client and ends when the client cancels.
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

func ExampleIncoming() {
	hub := signalr.New(signalr.Options{})
	hub.Handle("Average", signalr.Func1(func(ctx context.Context, _ *signalr.Conn, readings signalr.Incoming[float64]) (float64, error) {
		sum, n := 0.0, 0.0
		for reading, err := range readings.All(ctx) { // The client is read no faster than this.
			if err != nil {
				return 0, err
			}
			sum, n = sum+reading, n+1
		}
		return sum / max(1, n), nil
	}))
	server := httptest.NewServer(hub)
	defer server.Close()
	talk(os.Stdout, server.URL, 2,
		`{"protocol":"json","version":1}`,
		`{"type":1,"invocationId":"1","target":"Average","arguments":[],"streamIds":["a"]}`+"\x1e"+
			`{"type":2,"invocationId":"a","item":1}`+"\x1e"+
			`{"type":2,"invocationId":"a","item":4}`+"\x1e"+
			`{"type":3,"invocationId":"a"}`)
	// Output:
	// {}
	// {"type":3,"invocationId":"1","result":2.5}
}

func ExampleAudience() {
	hub := signalr.New(signalr.Options{Identify: func(r *http.Request) (signalr.Identity, error) {
		return signalr.Identity{User: r.URL.Query().Get("access_token")}, nil // Yours looks at the token.
	}})
	hub.Handle("Enter", signalr.Action1(func(_ context.Context, c *signalr.Conn, room string) error {
		hub.Join(c, room)
		return hub.Group(room).Except(c).Send("Entered", c.User())
	}))
	hub.Handle("Whisper", signalr.Action2(func(_ context.Context, c *signalr.Conn, user, text string) error {
		return hub.User(user).Send("Whispered", c.User(), text) // on all of the user's devices
	}))
	server := httptest.NewServer(hub)
	defer server.Close()

	anna := enter(os.Stdout, server.URL+"?access_token=anna", `{"type":1,"invocationId":"1","target":"Enter","arguments":["kitchen"]}`)
	defer hangUp(anna)
	next(os.Stdout, anna) // that she is in
	jim := enter(os.Stdout, server.URL+"?access_token=jim", `{"type":1,"target":"Enter","arguments":["kitchen"]}`+"\x1e"+
		`{"type":1,"target":"Whisper","arguments":["anna","hello"]}`)
	defer hangUp(jim)
	next(os.Stdout, anna)
	next(os.Stdout, anna)
	// Output:
	// {"type":3,"invocationId":"1","result":null}
	// {"type":1,"target":"Entered","arguments":["jim"]}
	// {"type":1,"target":"Whispered","arguments":["jim","hello"]}
}

func ExampleOptions() {
	tokens := map[string]string{"s3cret": "anna"} // Yours are signed.
	hub := signalr.New(signalr.Options{
		Identify: func(r *http.Request) (signalr.Identity, error) {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				token = r.URL.Query().Get("access_token") // A browser's socket has no headers.
			}
			user, known := tokens[token]
			if !known {
				return signalr.Identity{}, errors.New("unknown token") // is answered with 401
			}
			return signalr.Identity{User: user, Expires: time.Now().Add(15 * time.Minute)}, nil
		},
		MaxConnections: 10_000,
		MaxHandshakes:  1_000,     // of these, before the handshake
		CallRate:       50,        // per second and client
		MaxMessage:     8 << 10,   // bytes of a message
		Backlog:        256 << 10, // waiting bytes of a slow consumer
	})
	for _, token := range []string{"guessed", "s3cret"} {
		answer := httptest.NewRecorder()
		hub.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/chat/negotiate?access_token="+token, nil))
		fmt.Println(answer.Code)
	}
	// Output:
	// 401
	// 200
}

func ExampleHub_Drain() {
	hub := signalr.New(signalr.Options{})
	server := httptest.NewServer(hub)
	defer server.Close()
	client := enter(os.Stdout, server.URL)
	defer hangUp(client)

	// The program stops: new connections are rejected, and clients are told to reconnect,
	// to another node, spread over some seconds.
	hub.Drain(context.Background(), 5*time.Second)
	next(os.Stdout, client)
	late := httptest.NewRecorder()
	hub.ServeHTTP(late, httptest.NewRequest(http.MethodPost, "/negotiate", nil))
	fmt.Println(late.Code, late.Body)

	hangUp(client)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := hub.Wait(ctx); err != nil { // until the last method and the last byte
		fmt.Println(err)
	}
	// Output:
	// {"type":7,"allowReconnect":true}
	// 503 shutting down
}

// talk acts as a client byte by byte: it sends records and prints the received records up to a number.
func talk(out io.Writer, url string, answers int, records ...string) {
	ws := dial(out, url)
	if ws == nil {
		return
	}
	defer hangUp(ws)
	for i := range answers {
		if i < len(records) {
			send(out, ws, records[i])
		}
		next(out, ws)
	}
}

// enter shakes hands and sends.
func enter(out io.Writer, url string, records ...string) *websocket.Conn {
	ws := dial(out, url)
	if ws != nil {
		send(out, ws, `{"protocol":"json","version":1}`)
		next(io.Discard, ws)
		for _, record := range records {
			send(out, ws, record)
		}
	}
	return ws
}

func dial(out io.Writer, url string) *websocket.Conn {
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		fmt.Fprintln(out, err)
		return nil
	}
	return ws
}

func send(out io.Writer, ws *websocket.Conn, record string) {
	if err := ws.WriteMessage(websocket.TextMessage, []byte(record+"\x1e")); err != nil {
		fmt.Fprintln(out, err)
	}
}

// next prints the next record.
func next(out io.Writer, ws *websocket.Conn) {
	_, data, err := ws.ReadMessage()
	if err != nil {
		fmt.Fprintln(out, err)
		return
	}
	fmt.Fprintln(out, strings.TrimSuffix(string(data), "\x1e"))
}
