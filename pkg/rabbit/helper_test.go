package rabbit_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// eventually waits for something to be so; what tells how it is if it is not.
func eventually(t *testing.T, so func() bool, what func() any) {
	t.Helper()
	for ctx := patient(t); !so(); wait(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("in the end there is %v", what())
		}
	}
}
