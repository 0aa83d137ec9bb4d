package rabbit

import "sync"

// batchBytes bounds a batch; the first message of it may be larger. While one is
// in hand the next one comes.
const batchBytes = mostInHand / 4

// basket holds what has come until it is handed over. The queues' prefetch and
// the gate bound it: putting something in never waits, so that the size of what
// comes is known at once.
type basket struct {
	mu    sync.Mutex
	all   []delivered
	there chan struct{} // holds one token: something was put in since somebody looked
}

func newBasket() *basket { return &basket{there: make(chan struct{}, 1)} }

func (b *basket) put(d delivered) {
	b.mu.Lock()
	b.all = append(b.all, d)
	b.mu.Unlock()
	select {
	case b.there <- struct{}{}:
	default: // Somebody will look anyway.
	}
}

// take is the next batch; nil: there is nothing.
func (b *basket) take() []delivered {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, bytes := 0, 0
	for n < len(b.all) && n < maxBatch {
		if bytes += len(b.all[n].Data); n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	if n == 0 {
		return nil
	}
	batch := make([]delivered, n)
	copy(batch, b.all)
	clear(b.all[:n]) // Or their bodies would be kept.
	if b.all = b.all[n:]; len(b.all) == 0 {
		b.all = nil
	}
	return batch
}
