package server

import "fmt"

// Limits limits a node. 0 means no limit.
type Limits struct {
	MessageRate float64 `env:"CHAT_MESSAGE_RATE" envDefault:"20"` // entries per second and agent, with bursts of twice as many
	Connections int     `env:"CHAT_CONNECTIONS"  envDefault:"20"` // hub connections per agent
	ConnectRate float64 `env:"CHAT_CONNECT_RATE" envDefault:"0"`  // new hub connections per second
}

// maxLimit rejects infinities and typing errors.
const maxLimit = 1e6

// Validate returns an error that names the environment variable of an invalid limit.
func (l Limits) Validate() error {
	for name, limit := range map[string]float64{
		"CHAT_MESSAGE_RATE": l.MessageRate, "CHAT_CONNECTIONS": float64(l.Connections), "CHAT_CONNECT_RATE": l.ConnectRate,
	} {
		if !(limit >= 0 && limit <= maxLimit) { // also rejects NaN
			return fmt.Errorf("%s %v out of range [0, 1000000]; 0 means no limit", name, limit)
		}
	}
	return nil
}
