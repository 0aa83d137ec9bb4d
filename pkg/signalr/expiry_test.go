package signalr_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/signalr"
)

func TestConnectionEndsWithItsToken(t *testing.T) {
	o := signalr.Options{Identify: func(*http.Request) (signalr.Identity, error) {
		return signalr.Identity{User: "jim", Expires: time.Now().Add(15 * time.Minute)}, nil
	}}
	const expired = `{"type":7,"error":"The connection's token has expired.","allowReconnect":true}`
	tests := map[string]struct {
		change func(c *signalr.Conn)
		after  time.Duration
	}{
		"expiry from Identify": {func(*signalr.Conn) {}, 15 * time.Minute},
		"later":                {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(time.Hour)) }, time.Hour},
		"earlier":              {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(time.Second)) }, time.Second},
		"in the past":          {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(-time.Second)) }, 0},
		"in the year 1500":     {func(c *signalr.Conn) { c.SetExpiry(time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)) }, 0},
		"in 1970":              {func(c *signalr.Conn) { c.SetExpiry(time.Unix(0, 0)) }, 0},
		"never, then changed":  {func(c *signalr.Conn) { c.SetExpiry(time.Time{}); pass(time.Hour); c.SetExpiry(time.Now()) }, time.Hour},
		"after millennia, then changed": {func(c *signalr.Conn) {
			c.SetExpiry(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
			pass(time.Hour)
			c.SetExpiry(time.Now())
		}, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, o, func(t *testing.T, d *recorder, n *network) {
				start, ended := time.Now(), make(chan time.Duration, 1)
				c := n.handshaken(t, nil)
				conn := <-d.conns
				context.AfterFunc(conn.Context(), func() { ended <- time.Since(start) })
				tt.change(conn)
				c.expect(expired)
				c.expectEnd()
				if got := <-ended; got != tt.after {
					t.Errorf("ended after %s, want %s", got, tt.after)
				}
				d.wantEnd(t, true)
			})
		})
	}
}

// TestNewestTokenOfRequestsCounts sends requests with tokens of their own.
func TestNewestTokenOfRequestsCounts(t *testing.T) {
	const minute = time.Minute
	tests := map[string]struct {
		first time.Duration // expiry of the first token
		own   time.Duration // argument of SetExpiry; 0: not called
		shown []time.Duration
		ends  time.Duration
	}{
		"the same token":                    {16 * minute, 0, []time.Duration{16 * minute}, 16 * minute},
		"newer tokens":                      {15 * minute, 0, []time.Duration{20 * minute, 31 * minute}, 31 * minute},
		"an older token":                    {15 * minute, 0, []time.Duration{30 * minute, 20 * minute}, 30 * minute},
		"newer tokens, SetExpiry later":     {15 * minute, 40 * minute, []time.Duration{20 * minute, 31 * minute}, 31 * minute},
		"the same token, SetExpiry later":   {16 * minute, 40 * minute, []time.Duration{16 * minute}, 16 * minute},
		"the same token, SetExpiry earlier": {15 * minute, 10 * minute, []time.Duration{15 * minute}, 10 * minute},
		"a newer token, SetExpiry earlier":  {15 * minute, 10 * minute, []time.Duration{31 * minute}, 31 * minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var until atomic.Int64
			o := signalr.Options{Identify: func(*http.Request) (signalr.Identity, error) {
				return signalr.Identity{User: "jim", Expires: time.Unix(0, until.Load())}, nil
			}}
			for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
				withRecorder(t, o, func(t *testing.T, d *recorder, n *network) {
					start := time.Now()
					until.Store(start.Add(tt.first).UnixNano())
					c := n.over(t, via, nil)
					conn := <-d.conns
					if tt.own > 0 {
						conn.SetExpiry(start.Add(tt.own))
					}
					for _, shown := range tt.shown {
						pass(minute)
						until.Store(start.Add(shown).UnixNano())
						c.send(`{"type":8}` + sep)
					}
					if got := conn.Expiry().Sub(start); got != tt.ends {
						t.Errorf("over %s the expiry is after %s, want %s", via, got, tt.ends)
					}
					if tt.shown[len(tt.shown)-1] != tt.ends {
						return // It polls in vain before.
					}
					c.expect(`{"type":7,"error":"The connection's token has expired.","allowReconnect":true}`)
					if got := time.Since(start); got != tt.ends {
						t.Errorf("over %s the connection ended after %s, want %s", via, got, tt.ends)
					}
				})
			}
		})
	}
}
