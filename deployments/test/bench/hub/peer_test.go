// Package hub measures pkg/signalr side by side with common alternatives, each
// server in a process of its own. The client does not parse the protocols: it
// counts marked texts in the received bytes, and reads the server's CPU time and
// memory from /proc.
package hub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley.internal/bench/hub/load"
	"parley.internal/pkg/auth"
)

// peer is a server under test.
type peer struct {
	name     string
	command  []string // the name of the built program, and its arguments
	env      []string
	protocol *load.Protocol
}

const (
	parley     = "Parley"
	centrifuge = "centrifuge"
	socketIO   = "Socket.IO"
	gorilla    = "gorilla hub"
	bare       = "bare write(2)"
	chatd      = "Parley, chatd with tokens"
)

const recordEnd = "\x1e"

func at(path string) func(int) string { return func(int) string { return path } }

// peers lists the servers that broadcast texts.
func peers() []peer {
	channel := &load.Protocol{
		Path: at("/connection/websocket"),
		Hello: []load.Step{
			{Send: `{"id":1,"connect":{}}`, Until: `"connect":`},
			{Send: `{"id":2,"subscribe":{"channel":"everybody"}}`, Until: `"subscribe":`},
		},
		Before: `{"id":3,"publish":{"channel":"everybody","data":"`, After: `"}}`,
		// The ping is alone in its frame, or the first or the last of several messages.
		Pings: []string{"\x81\x02{}", "{}\n", "\n{}"}, Pong: load.Text("{}"),
	}
	plain := &load.Protocol{Path: at("/"), Hello: []load.Step{{Until: "welcome"}}, Pings: []string{"\x89\x00"}, Pong: load.Pong()}
	return []peer{
		{name: parley, command: []string{"parley"}, protocol: &load.Protocol{
			Path: at("/hub"),
			Hello: []load.Step{
				{Send: `{"protocol":"json","version":1}` + recordEnd, Until: `{}` + recordEnd},
				{Send: `{"type":1,"invocationId":"1","target":"Ready","arguments":[]}` + recordEnd, Until: `{"type":3,`},
			},
			Before: `{"type":1,"target":"Send","arguments":["`, After: `"]}` + recordEnd,
			KeepAlive: `{"type":6}` + recordEnd, Close: `{"type":7`,
		}},
		{name: centrifuge, command: []string{"centrifuge"}, protocol: channel},
		{name: "centrifuge, with history", command: []string{"centrifuge", "-history"}, protocol: channel},
		{name: socketIO, command: []string{"socketio"}, protocol: &load.Protocol{
			Path:   at("/socket.io/?EIO=4&transport=websocket"),
			Hello:  []load.Step{{Until: `0{"sid"`}, {Send: "40", Until: `40{"sid"`}},
			Before: `42["send","`, After: `"]`,
			Pings: []string{"\x81\x012"}, Pong: load.Text("3"),
		}},
		{name: gorilla, command: []string{"gorilla"}, protocol: plain},
		{name: bare, command: []string{"bare"}, protocol: plain},
	}
}

// devices is the number of connections of each agent of chatd.
const devices = 10

// service returns chatd on a new database, with clients that call Join like the
// web app.
func service(tb testing.TB) peer {
	tb.Helper()
	const secret = "a secret that is for a benchmark only"
	signer, err := auth.NewSecret([]byte(secret))
	must(tb, err)
	path := func(n int) string {
		agent := auth.Agent{Login: fmt.Sprintf("agent-%d", n/devices), Name: "Agent", Roles: []string{auth.Salesman}}
		token, err := signer.Issue(agent, time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			panic(err) // NewSecret has checked the key
		}
		return "/hub?access_token=" + token
	}
	return peer{
		name: chatd, command: []string{"chatd"},
		env: []string{
			"CHAT_ADDR=127.0.0.1:0", "AUTH_SECRET=" + secret,
			"CHAT_DATABASE_URL=sqlite:" + tb.TempDir() + "/chat.db", "CHAT_CONNECTIONS=0",
		},
		protocol: &load.Protocol{
			Path: path,
			Hello: []load.Step{
				{Send: `{"protocol":"json","version":1}` + recordEnd, Until: `{}` + recordEnd},
				{Send: `{"type":1,"invocationId":"1","target":"Join","arguments":[]}` + recordEnd, Until: `{"type":3,`},
			},
			KeepAlive: `{"type":6}` + recordEnd, Close: `{"type":7`,
		},
	}
}

// chosen filters the servers by -only.
func chosen(all []peer) []peer {
	if *only == "" {
		return all
	}
	var some []peer
	for _, p := range all {
		for name := range strings.SplitSeq(*only, "/") {
			if p.name == name {
				some = append(some, p)
			}
		}
	}
	return some
}
