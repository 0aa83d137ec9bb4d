package rabbit

import (
	"sync/atomic"
	"time"
)

const (
	targetUnackedBytes = 8 << 20 // of a queue; up to twice as many are tolerated
	initialPrefetch    = 4       // while the size of messages is unknown
	maxPrefetchGrowth  = 4       // factor of one increase
	meanWindow         = 64      // messages
	maxSaturation      = 250 * time.Millisecond
)

// prefetch calculates how many unacked messages a queue's consumer may have. The broker counts
// messages and not bytes, so the number follows the mean size of the messages.
type prefetch struct {
	max     int     // Config.Prefetch
	mean    float64 // bytes of a message
	samples int     // messages in mean, up to meanWindow

	// Other goroutines access the following fields, too.
	current atomic.Int64 // of the present consumer
	bytes   atomic.Int64 // unacked
}

// observe counts a delivery.
func (p *prefetch) observe(bytes int) {
	p.bytes.Add(int64(bytes))
	p.samples = min(p.samples+1, meanWindow)
	p.mean += (float64(bytes) - p.mean) / float64(p.samples)
}

// wanted returns the best prefetch: the present value, unless it is far too high or far too low.
func (p *prefetch) wanted() int {
	best := min(max(int(targetUnackedBytes/max(p.mean, 1)), 1), p.max)
	switch current := int(p.current.Load()); {
	case 2*best <= current:
		return best
	case 2*current <= best && p.bytes.Load() <= targetUnackedBytes:
		return min(maxPrefetchGrowth*current, best)
	default:
		return current
	}
}
