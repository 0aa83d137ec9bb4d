// Command gorilla is the usual hub with gorilla/websocket: a queue and two
// goroutines per connection, and one prepared message for all connections.
package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/bench/hub/listen"
)

// The values of gorilla's chat example.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	queueSize  = 256
)

// hub holds the queues of the open connections.
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

// ServeHTTP hands the connection over to two goroutines, and so releases the
// memory of the request.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has sent the error
	}
	queue := make(chan *websocket.PreparedMessage, queueSize) // a client with a full queue is closed
	queue <- h.welcome                                        // confirms the registration
	h.mu.Lock()
	h.queues[queue] = struct{}{}
	h.mu.Unlock()
	h.running.Go(func() { write(ws, queue) })
	h.running.Go(func() {
		h.read(ws)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.close(queue)
	})
}

func (h *hub) read(ws *websocket.Conn) {
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = alive("") // a closed socket fails in ReadMessage, too
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
			h.close(queue)
		}
	}
}

// close closes a queue once, and with it the connection.
func (h *hub) close(queue chan *websocket.PreparedMessage) {
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
			_ = ws.SetWriteDeadline(time.Now().Add(writeWait)) // fails on a closed socket, like the write
			err = ws.WritePreparedMessage(message)
		case <-ping.C:
			err = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		}
		if err != nil {
			return
		}
	}
}
