package rabbit

import (
	"slices"
	"sync"

	"parley.internal/pkg/event"
)

const (
	maxBatch      = 512                 // deliveries in a batch
	maxBatchBytes = maxUnackedBytes / 4 // of a batch, except for a larger first message
)

// delivery is a message with the tag for its acknowledgement.
type delivery struct {
	event.Message

	queue *queueConsumer
	tag   uint64
}

// deliveryBuffer holds deliveries until they are received as a batch. The prefetch of the queues
// and the byte limiter bound it. Adding never waits: the prefetch needs the size of each delivery
// at once.
type deliveryBuffer struct {
	mu         sync.Mutex
	deliveries []delivery
	added      chan struct{} // holds a token after an add
}

func newDeliveryBuffer() *deliveryBuffer { return &deliveryBuffer{added: make(chan struct{}, 1)} }

func (b *deliveryBuffer) add(d delivery) {
	b.mu.Lock()
	b.deliveries = append(b.deliveries, d)
	b.mu.Unlock()
	select {
	case b.added <- struct{}{}:
	default:
	}
}

// next removes and returns the next batch; empty if the buffer is.
func (b *deliveryBuffer) next() []delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, bytes := 0, 0
	for n < len(b.deliveries) && n < maxBatch {
		if bytes += len(b.deliveries[n].Data); n > 0 && bytes > maxBatchBytes {
			break
		}
		n++
	}
	batch := slices.Clone(b.deliveries[:n])
	clear(b.deliveries[:n]) // releases the bodies
	b.deliveries = b.deliveries[n:]
	return batch
}
