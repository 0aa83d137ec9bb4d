package hub

import (
	"fmt"
	"testing"
	"time"
)

const (
	warmUp    = time.Second
	floodTime = 5 * time.Second
	pacedTime = 10 * time.Second
	perSecond = 40
)

// TestFanout measures deliveries per second of the server's CPU. Four publishers
// send as fast as their own texts return.
func TestFanout(t *testing.T) {
	for _, receivers := range sizes() {
		rate := newTable(fmt.Sprintf("deliveries per server CPU second, %s receivers", thousands(receivers)))
		wall := newTable(fmt.Sprintf("deliveries per second, %s receivers", thousands(receivers)))
		t.Run(fmt.Sprint(receivers), func(t *testing.T) {
			each(t, *rounds, peers(), func(t *testing.T, p peer) {
				t.Helper()
				s := open(t, p)
				s.receivers(size(receivers), false)
				s.publish()
				s.flood(scaled(warmUp), 0)
				s.delivered(nil)
				began := time.Now()
				delivered, cpu := s.cost(func() {
					s.profiled(p.name, fmt.Sprintf("profile?seconds=%.0f", max(1, scaled(floodTime).Seconds())), fmt.Sprintf("cpu-%d", receivers), func() {
						s.flood(scaled(floodTime), 0)
						s.delivered(nil)
					})
				})
				wall.add(p.name, float64(delivered)/time.Since(began).Seconds())
				rate.add(p.name, float64(delivered)/max(cpu, tick).Seconds())
			})
		})
		wall.print()
		rate.print()
	}
}

func sizes() []int {
	if small() {
		return []int{1000} // size reduces the number
	}
	return []int{1000, 5000}
}

// TestPaced measures the cost and the latency of one delivery when texts are too
// far apart to be combined into one write.
func TestPaced(t *testing.T) {
	cost := newTable("µs of server CPU per delivery, 40 texts a second to 1,000 receivers")
	median, late := newTable("ms from sending to reading, p50"), newTable("ms from sending to reading, p99")
	each(t, *rounds, peers(), func(t *testing.T, p peer) {
		t.Helper()
		s := open(t, p)
		s.receivers(size(1000), false)
		s.publish()
		s.paced(perSecond, scaled(warmUp))
		s.delivered(nil)
		s.client.Record()
		delivered, cpu := s.cost(func() {
			s.paced(perSecond, scaled(pacedTime))
			s.delivered(nil)
		})
		took := s.client.Recorded()
		cost.add(p.name, float64(cpu.Microseconds())/float64(delivered))
		median.add(p.name, float64(quantile(took, 0.5))/1000)
		late.add(p.name, float64(quantile(took, 0.99))/1000)
	})
	cost.print()
	median.print()
	late.print()
}
