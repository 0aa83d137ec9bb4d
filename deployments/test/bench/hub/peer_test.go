// Package hub measures pkg/signalr side by side with what one would use instead,
// each in a process of its own, by a client that does not care about their
// protocols: it counts texts in what it reads, and asks the system what the
// server has cost.
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
	command  []string // the program, in the folder of the built ones, and its arguments
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

// peers are all that take texts and pass them on.
func peers() []peer {
	channel := &load.Protocol{
		Path: at("/connection/websocket"),
		Hello: []load.Step{
			{Say: `{"id":1,"connect":{}}`, Until: `"connect":`},
			{Say: `{"id":2,"subscribe":{"channel":"everybody"}}`, Until: `"subscribe":`},
		},
		Before: `{"id":3,"publish":{"channel":"everybody","data":"`, After: `"}}`,
		// It may be alone in its frame, or the first or the last of several.
		Asks: []string{"\x81\x02{}", "{}\n", "\n{}"}, Answers: load.Text("{}"),
	}
	plain := &load.Protocol{Path: at("/"), Hello: []load.Step{{Until: "welcome"}}, Asks: []string{"\x89\x00"}, Answers: load.Pong()}
	return []peer{
		{name: parley, command: []string{"parley"}, protocol: &load.Protocol{
			Path: at("/hub"),
			Hello: []load.Step{
				{Say: `{"protocol":"json","version":1}` + recordEnd, Until: `{}` + recordEnd},
				{Say: `{"type":1,"invocationId":"1","target":"Ready","arguments":[]}` + recordEnd, Until: `{"type":3,`},
			},
			Before: `{"type":1,"target":"Send","arguments":["`, After: `"]}` + recordEnd,
			Ping: `{"type":6}` + recordEnd, Goodbye: `{"type":7`,
		}},
		{name: centrifuge, command: []string{"centrifuge"}, protocol: channel},
		{name: "centrifuge, with history", command: []string{"centrifuge", "-history"}, protocol: channel},
		{name: socketIO, command: []string{"socketio"}, protocol: &load.Protocol{
			Path:   at("/socket.io/?EIO=4&transport=websocket"),
			Hello:  []load.Step{{Until: `0{"sid"`}, {Say: "40", Until: `40{"sid"`}},
			Before: `42["send","`, After: `"]`,
			Asks: []string{"\x81\x012"}, Answers: load.Text("3"),
		}},
		{name: gorilla, command: []string{"gorilla"}, protocol: plain},
		{name: bare, command: []string{"bare"}, protocol: plain},
	}
}

// devices is how many connections each agent of chatd has.
const devices = 10

// service is chatd on a database of its own, with clients that have joined as
// the web app does.
func service(tb testing.TB) peer {
	tb.Helper()
	const secret = "a secret that is for a benchmark only"
	signer, err := auth.NewSecret([]byte(secret))
	must(tb, err)
	path := func(n int) string {
		agent := auth.Agent{Login: fmt.Sprintf("agent-%d", n/devices), Name: "Agent", Roles: []string{auth.Salesman}}
		token, err := signer.Issue(agent, time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			panic(err) // a key that NewSecret has taken signs
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
				{Say: `{"protocol":"json","version":1}` + recordEnd, Until: `{}` + recordEnd},
				{Say: `{"type":1,"invocationId":"1","target":"Join","arguments":[]}` + recordEnd, Until: `{"type":3,`},
			},
			Ping: `{"type":6}` + recordEnd, Goodbye: `{"type":7`,
		},
	}
}

// chosen are those of the peers that -only names.
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
