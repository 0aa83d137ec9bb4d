package signalr

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	firstBuffer = 512     // enough for a ping, a handshake and most invocations
	keptBuffer  = 4 << 10 // a buffer that grew beyond this for one message is given back
)

// errTooLarge is what a client gets its connection closed for.
var errTooLarge = errors.New("message too large")

// records cuts a stream of bytes at its separators, wherever the transport cut
// it: a record may come in pieces, and several may come at once.
type records struct {
	source   io.Reader
	max      int  // bytes of a record with its separator or its length
	prefixed bool // records begin with their length, instead of ending with a separator

	pooled   *[firstBuffer]byte // nil, or what buffer is
	buffer   []byte
	rest     []byte // what of buffer is read and not yet returned
	searched int    // how much of rest is known to hold no separator
}

// next returns the next record without its separator, or its length. It is valid
// until the next call.
func (r *records) next() ([]byte, error) {
	if r.prefixed {
		return r.nextPrefixed()
	}
	for {
		if i := bytes.IndexByte(r.rest[r.searched:], separator); i >= 0 {
			end := r.searched + i
			record := r.rest[:end]
			r.rest, r.searched = r.rest[end+1:], 0
			if end >= r.max {
				return nil, errTooLarge
			}
			return record, nil
		}
		r.searched = len(r.rest)
		if r.searched >= r.max {
			return nil, errTooLarge
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *records) nextPrefixed() ([]byte, error) {
	for {
		length, size, err := uvarint(r.rest)
		switch {
		case err == nil && size+length > r.max:
			return nil, errTooLarge
		case err == nil && size+length <= len(r.rest):
			record := r.rest[size : size+length]
			r.rest = r.rest[size+length:]
			return record, nil
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *records) fill() error {
	if s, ok := r.source.(patient); ok && len(r.rest) == 0 {
		r.giveBack()
		if err := s.wait(); err != nil {
			return err
		}
	}
	r.makeRoom()
	n, err := r.source.Read(r.rest[len(r.rest):cap(r.rest)])
	r.rest = r.rest[:len(r.rest)+n]
	if n > 0 {
		return nil // an error that matters comes again
	}
	return err
}

// patient is a source that can be waited for without a buffer.
type patient interface{ wait() error }

// buffers are for those whose clients say something.
var buffers = sync.Pool{New: func() any { return new([firstBuffer]byte) }}

// giveBack frees the buffer of a connection on which nothing happens.
func (r *records) giveBack() {
	if r.pooled != nil {
		buffers.Put(r.pooled)
	}
	r.pooled, r.buffer, r.rest = nil, nil, nil
}

func (r *records) makeRoom() {
	switch {
	case r.buffer == nil:
		r.pooled, _ = buffers.Get().(*[firstBuffer]byte)
		r.buffer = r.pooled[:]
		r.rest = r.buffer[:0]
	case len(r.rest) == 0 && cap(r.buffer) <= keptBuffer:
		r.rest = r.buffer[:0]
	case len(r.rest) == 0:
		r.giveBack()
		r.makeRoom()
	case len(r.rest) == cap(r.rest):
		larger := make([]byte, 2*len(r.rest))
		n := copy(larger, r.rest)
		r.giveBack()
		r.buffer, r.rest = larger, larger[:n]
	}
}
