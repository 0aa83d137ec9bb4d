// Command gorilla is the hub that one writes first with gorilla/websocket: a
// queue and two goroutines for each connection, and a text prepared once for
// all of them.
package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/bench/hub/listen"
)

// As in gorilla's own example of a chat.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	queueSize  = 256
)

// hub is who is connected.
type hub struct {
	upgrader websocket.Upgrader
	welcome  *websocket.PreparedMessage
	running  sync.WaitGroup // until the process ends
	mu       sync.Mutex
	queues   map[chan *websocket.PreparedMessage]struct{}
}

func main() {
	welcome, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("welcome"))
	if err != nil {
		panic(err) // a constant
	}
	listen.Serve(&hub{
		welcome:  welcome,
		upgrader: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}},
		queues:   make(map[chan *websocket.PreparedMessage]struct{}),
	})
}

// ServeHTTP leaves the connection to two goroutines, and so what the request
// held to others.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // and Upgrade has said so
	}
	queue := make(chan *websocket.PreparedMessage, queueSize) // a client that lets it fill is cut
	queue <- h.welcome                                        // whoever has read it is one of us
	h.mu.Lock()
	h.queues[queue] = struct{}{}
	h.mu.Unlock()
	h.running.Go(func() { write(ws, queue) })
	h.running.Go(func() {
		h.read(ws)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.cut(queue)
	})
}

func (h *hub) read(ws *websocket.Conn) {
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = alive("") // fails on a closed socket, as does what follows
	ws.SetPongHandler(alive)
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		message, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
		if err != nil {
			return
		}
		h.broadcast(message)
	}
}

func (h *hub) broadcast(message *websocket.PreparedMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for queue := range h.queues {
		select {
		case queue <- message:
		default:
			h.cut(queue)
		}
	}
}

// cut ends a queue, and with it its connection; once is enough.
func (h *hub) cut(queue chan *websocket.PreparedMessage) {
	if _, there := h.queues[queue]; there {
		delete(h.queues, queue)
		close(queue)
	}
}

func write(ws *websocket.Conn, queue <-chan *websocket.PreparedMessage) {
	defer func() { _ = ws.Close() }()
	ping := time.NewTicker(pingPeriod)
	defer ping.Stop()
	for {
		var err error
		select {
		case message, open := <-queue:
			if !open {
				return
			}
			_ = ws.SetWriteDeadline(time.Now().Add(writeWait)) // only notes it
			err = ws.WritePreparedMessage(message)
		case <-ping.C:
			err = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		}
		if err != nil {
			return
		}
	}
}
