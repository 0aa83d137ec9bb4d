// Command bare writes each text as a prepared frame to each connection by one
// system call, without queues and without keep-alive. It is the lower bound for
// a library that writes each text separately.
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

// hub holds the open connections.
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

// ServeHTTP hands the connection over to a goroutine, and so releases the memory
// of the request.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has sent the error
	}
	if err := h.register(ws); err != nil {
		h.unregister(ws)
		return
	}
	h.running.Go(func() {
		defer h.unregister(ws)
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			h.broadcast(frame(text))
		}
	})
}

func (h *hub) register(ws *websocket.Conn) error {
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
	return ws.WriteMessage(websocket.TextMessage, []byte("welcome")) // confirms the registration
}

func (h *hub) unregister(ws *websocket.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, ws)
	_ = ws.Close()
}

// broadcast closes a connection whose socket buffer has no room for the frame.
func (h *hub) broadcast(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ws, raw := range h.sockets {
		n := 0
		err := raw.Write(func(fd uintptr) bool {
			n, _ = syscall.Write(int(fd), frame) // n is checked below
			return true
		})
		if err != nil || n < len(frame) {
			delete(h.sockets, ws)
			_ = ws.Close()
		}
	}
}

// frame returns a server's frame, which is not masked.
func frame(text []byte) []byte {
	b := []byte{0x80 | websocket.TextMessage, 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // a text of the benchmark
	return append(b, text...)
}
