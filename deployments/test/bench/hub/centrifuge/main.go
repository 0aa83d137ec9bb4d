// Command centrifuge serves one channel of github.com/centrifugal/centrifuge,
// with its memory-saving settings, and publishes received texts.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"

	"parley.internal/bench/hub/listen"
)

// Limits of the history for reconnecting clients, with -history.
const (
	historySize = 1000
	historyTime = time.Minute
)

func main() {
	history := flag.Bool("history", false, "keep a history for the recovery of subscribers")
	flag.Parse()
	handler, err := serve(*history)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	listen.Serve(handler)
}

func serve(history bool) (http.Handler, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, fmt.Errorf("create node: %w", err)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "agent"}}, nil
	})
	var kept []centrifuge.PublishOption
	if history {
		kept = append(kept, centrifuge.WithHistory(historySize, historyTime))
	}
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: history}}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
			// Node.Publish leaves out the information about the client.
			result, err := node.Publish(e.Channel, e.Data, kept...)
			reply(centrifuge.PublishReply{Result: &result}, err)
		})
	})
	if err := node.Run(); err != nil {
		return nil, fmt.Errorf("run node: %w", err)
	}
	return centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize:     1024,
		UseWriteBufferPool: true,
	}), nil
}
