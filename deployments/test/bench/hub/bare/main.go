// Command bare writes each text as a ready frame to each connection by one
// system call, and does nothing else: it keeps no queue and no connection alive.
// A library that writes each text by itself cannot be cheaper.
package main

import (
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"

	"parley.internal/bench/hub/listen"
)

// hub is who is connected.
type hub struct {
	upgrader websocket.Upgrader
	running  sync.WaitGroup // until the process ends
	mu       sync.Mutex
	sockets  map[*websocket.Conn]syscall.RawConn
}

func main() {
	listen.Serve(&hub{
		upgrader: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}},
		sockets:  make(map[*websocket.Conn]syscall.RawConn),
	})
}

// ServeHTTP leaves the connection to a goroutine, and so what the request held to
// others.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // and Upgrade has said so
	}
	if err := h.enter(ws); err != nil {
		h.leave(ws)
		return
	}
	h.running.Go(func() {
		defer h.leave(ws)
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			h.broadcast(frame(text))
		}
	})
}

func (h *hub) enter(ws *websocket.Conn) error {
	socket, ok := ws.NetConn().(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[ws] = raw
	return ws.WriteMessage(websocket.TextMessage, []byte("welcome")) // whoever has read it is one of us
}

func (h *hub) leave(ws *websocket.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, ws)
	_ = ws.Close()
}

// broadcast ends a connection that does not take the whole frame at once.
func (h *hub) broadcast(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ws, raw := range h.sockets {
		n := 0
		err := raw.Write(func(fd uintptr) bool {
			n, _ = syscall.Write(int(fd), frame) // n says it
			return true
		})
		if err != nil || n < len(frame) {
			delete(h.sockets, ws)
			_ = ws.Close()
		}
	}
}

// frame is a server's: not masked.
func frame(text []byte) []byte {
	b := []byte{0x80 | websocket.TextMessage, 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // a text of the benchmark
	return append(b, text...)
}
