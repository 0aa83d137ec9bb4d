package transport

import (
	"errors"
	"fmt"
	"syscall"
)

// rawBuffer is the number of bytes that a RawWriter joins for a single system call.
const rawBuffer = 128 << 10

// RawWriter writes to sockets without waiting. It belongs to one goroutine at a time; the socket may
// differ from call to call.
type RawWriter struct {
	joined []byte // a batch of several pieces

	write func(fd uintptr) bool // created once: a closure per call would be an allocation per call
	data  []byte
	n     int
	err   error
}

// NewRawWriter returns a writer with a buffer of its own.
func NewRawWriter() *RawWriter {
	w := &RawWriter{joined: make([]byte, 0, rawBuffer)}
	w.write = func(fd uintptr) bool {
		w.n, w.err = syscall.Write(int(fd), w.data)
		for errors.Is(w.err, syscall.EINTR) {
			w.n, w.err = syscall.Write(int(fd), w.data)
		}
		return true // also when the socket buffer is full: the caller does not wait
	}
	return w
}

// Write writes as much of a batch as the socket buffer accepts in one system call. A full socket
// buffer is no error; a nil socket accepts nothing.
func (w *RawWriter) Write(socket syscall.RawConn, batch [][]byte) (n int, err error) {
	if socket == nil || len(batch) == 0 {
		return 0, nil
	}
	w.data = batch[0]
	if len(batch) > 1 {
		w.joined = w.joined[:0]
		for _, piece := range batch {
			if len(w.joined) > 0 && len(w.joined)+len(piece) > cap(w.joined) {
				break
			}
			w.joined = append(w.joined, piece...)
		}
		w.data = w.joined
	}
	if err := socket.Write(w.write); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	w.data = nil
	if w.err != nil && !errors.Is(w.err, syscall.EAGAIN) {
		return max(0, w.n), fmt.Errorf("write: %w", w.err)
	}
	return max(0, w.n), nil
}
