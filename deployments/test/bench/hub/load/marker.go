package load

import "bytes"

// TextSize is the length of a published text in bytes.
const TextSize = 128

// A text starts with its marker: publisher, sequence number and time of sending,
// in hexadecimal digits of fixed width. No protocol here escapes such a text, so
// that markers are found in the raw stream.
const (
	magic      = "@load:"
	byDigits   = 2
	seqDigits  = 8
	timeDigits = 12
	markerSize = len(magic) + byDigits + seqDigits + timeDigits
)

// mark is the content of a marker.
type mark struct {
	by  int    // the publisher
	seq uint64 // counted from 0
	at  uint64 // microseconds since the client began
}

const digits = "0123456789abcdef"

// text appends the marker, filled up to TextSize.
func (m mark) text(into []byte) []byte {
	into = append(into, magic...)
	into = appendHex(into, uint64(m.by), byDigits) //nolint:gosec // a publisher's index
	into = appendHex(into, m.seq, seqDigits)
	into = appendHex(into, m.at, timeDigits)
	return append(into, filler...)
}

var filler = bytes.Repeat([]byte{'x'}, TextSize-markerSize)

func appendHex(into []byte, value uint64, width int) []byte {
	for shift := 4 * (width - 1); shift >= 0; shift -= 4 {
		into = append(into, digits[value>>shift&15])
	}
	return into
}

// scan calls found for each marker in data, and returns the end of data if it may
// be the beginning of a marker.
func scan(data []byte, found func(mark)) (rest []byte) {
	for {
		start := bytes.IndexByte(data, magic[0])
		if start < 0 {
			return nil
		}
		data = data[start:]
		if known := min(len(magic), len(data)); string(data[:known]) != magic[:known] {
			data = data[1:] // a frame header can contain the first byte
			continue
		}
		if len(data) < markerSize {
			return data
		}
		m, ok := parse(data[len(magic):markerSize])
		if !ok {
			data = data[1:]
			continue
		}
		found(m)
		data = data[markerSize:]
	}
}

func parse(b []byte) (mark, bool) {
	by, ok1 := hex(b[:byDigits])
	seq, ok2 := hex(b[byDigits : byDigits+seqDigits])
	at, ok3 := hex(b[byDigits+seqDigits:])
	return mark{by: int(by), seq: seq, at: at}, ok1 && ok2 && ok3 //nolint:gosec // two digits
}

func hex(b []byte) (value uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			value = value<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			value = value<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return value, true
}
