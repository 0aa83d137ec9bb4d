package signalr_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

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

	// What an official client does, byte by byte.
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/chat", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, record := range []string{
		`{"protocol":"json","version":1}`,
		`{"type":1,"invocationId":"1","target":"SendMessage","arguments":["hello"]}`,
	} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(record+"\x1e")); err != nil {
			fmt.Println(err)
			return
		}
	}
	records := 0
	for records < 3 {
		_, data, err := ws.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		for record := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x1e"), "\x1e") {
			fmt.Println(record)
			records++
		}
	}

	// A clean stop: tell the clients to come back elsewhere, wait until they have gone.
	_ = ws.Close()
	hub.Drain(context.Background(), 0)
	if err := hub.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {}
	// {"type":1,"target":"ReceiveMessage","arguments":["hello"]}
	// {"type":3,"invocationId":"1","result":null}
}
