package wire

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	smallBuffer = 512     // bytes; enough for a ping, a handshake and most invocations
	keptBuffer  = 4 << 10 // bytes; a buffer that grew beyond this for one message is released
)

// Records splits a byte stream into records, independent of how the transport split the stream: a
// record may arrive in pieces, and several may arrive at once.
type Records struct {
	Source   io.Reader
	Max      int  // bytes of a record, including its separator or its length prefix
	Prefixed bool // records have a length prefix instead of a separator

	pooled   *[smallBuffer]byte // the array of buffer if buffer is from the pool
	buffer   []byte
	rest     []byte // the unread part of buffer
	searched int    // bytes of rest known to contain no separator
}

// Waiter is a Source that can wait for bytes without a buffer, so that an idle connection needs none.
type Waiter interface{ Wait() error }

// Next returns the next record without its separator or length prefix. The record is valid until the
// next call. The error is ErrTooLarge, ErrMalformed, or the source's.
func (r *Records) Next() ([]byte, error) {
	for {
		start, end, next, err := r.bounds()
		switch {
		case err != nil:
			return nil, err
		case next > r.Max:
			return nil, ErrTooLarge
		case next <= len(r.rest):
			record := r.rest[start:end]
			r.rest, r.searched = r.rest[next:], 0
			return record, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// bounds returns the bounds in rest of the next record and the start of the record behind it, beyond rest
// if more bytes are necessary.
func (r *Records) bounds() (start, end, next int, err error) {
	if r.Prefixed {
		length, size, err := readLength(r.rest)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, 0, len(r.rest) + 1, nil
		}
		return size, size + length, size + length, err
	}
	i := bytes.IndexByte(r.rest[r.searched:], separator)
	if i < 0 {
		r.searched = len(r.rest)
		return 0, 0, len(r.rest) + 1, nil
	}
	end = r.searched + i
	return 0, end, end + 1, nil
}

// fill reads more bytes from the source behind rest.
func (r *Records) fill() error {
	if s, ok := r.Source.(Waiter); ok && len(r.rest) == 0 {
		r.release()
		if err := s.Wait(); err != nil {
			return err
		}
	}
	r.makeRoom()
	n, err := r.Source.Read(r.rest[len(r.rest):cap(r.rest)])
	r.rest = r.rest[:len(r.rest)+n]
	if n > 0 {
		return nil // a lasting error recurs on the next read
	}
	return err
}

// buffers is shared by all connections: only those with bytes to read use a buffer.
var buffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}

// release returns the buffer of an idle connection to the pool.
func (r *Records) release() {
	if r.pooled != nil {
		buffers.Put(r.pooled)
	}
	r.pooled, r.buffer, r.rest = nil, nil, nil
}

func (r *Records) makeRoom() {
	if len(r.rest) == 0 && cap(r.buffer) > keptBuffer {
		r.release()
	}
	switch {
	case r.buffer == nil:
		r.pooled, _ = buffers.Get().(*[smallBuffer]byte)
		r.buffer = r.pooled[:]
		r.rest = r.buffer[:0]
	case len(r.rest) == 0:
		r.rest = r.buffer[:0]
	case len(r.rest) == cap(r.rest):
		larger := make([]byte, 2*len(r.rest))
		n := copy(larger, r.rest)
		r.release()
		r.buffer, r.rest = larger, larger[:n]
	}
}
