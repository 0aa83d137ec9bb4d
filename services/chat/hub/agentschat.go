package hub

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/chat/tail"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

// AgentsChatPath is the path of AgentsChat.
const AgentsChatPath = "/agentsChat"

// AgentsChat is the hub of the original system, to the letter: clients call
// SendMessage(text); the server calls ReceiveMessage(login, avatar, text) and
// ReceiveNotification(text). There are no other calls.
type AgentsChat struct {
	hub    *signalr.Hub
	sender chat.Sender
}

// NewAgentsChat makes the hub. Requests must come through auth.HubMiddleware.
func NewAgentsChat(n *Node, t *tail.Tail, sender chat.Sender, origins web.Origins) *AgentsChat {
	h := &AgentsChat{hub: n.newHub(AgentsChatPath, origins), sender: sender}
	h.hub.Handle("SendMessage", signalr.Action1(h.sendMessage))
	n.presence.announce = func(text string, except *signalr.Conn) {
		broadcast(h.hub.All().Except(except), "ReceiveNotification", text)
	}
	t.Subscribe(tail.Subscriber{Push: h.push})
	return h
}

// ServeHTTP implements http.Handler for AgentsChatPath and its negotiation.
func (h *AgentsChat) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.hub.ServeHTTP(w, r) }

func (h *AgentsChat) sendMessage(ctx context.Context, c *signalr.Conn, text string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := h.sender.Send(ctx, draftOf(c, chat.General, uuid.NewString(), text))
	if f := fault.Of(err); err != nil && f.Kind != fault.Internal {
		return signalr.HubError(f.Detail)
	}
	return err
}

// push sends an entry to the agents who may read the stream.
func (h *AgentsChat) push(e chat.Entry) {
	switch owner, own := chat.Owner(e.Stream); {
	case own:
		broadcast(h.hub.User(owner), "ReceiveNotification", e.Body)
	case e.Stream == chat.Company:
		broadcast(h.hub.All(), "ReceiveNotification", e.Body)
	case e.Stream == chat.General:
		broadcast(h.hub.All(), "ReceiveMessage", e.Author, e.Avatar, e.Body)
	}
}
