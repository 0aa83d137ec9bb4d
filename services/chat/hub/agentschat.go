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

// AgentsChatPath is the path of the hub of the original system.
const AgentsChatPath = "/agentsChat"

// agentsChat is the hub of the original system, to the letter: clients call
// SendMessage(text); the server calls ReceiveMessage(login, avatar, text) and
// ReceiveNotification(text). There are no other calls.
type agentsChat struct {
	clients *signalr.Hub
	sender  chat.Sender
}

// NewAgentsChat serves AgentsChatPath and the negotiation. Requests must come through
// auth.HubMiddleware.
func NewAgentsChat(n *Node, t *tail.Tail, sender chat.Sender, origins web.Origins) http.Handler {
	h := &agentsChat{clients: n.newHub(AgentsChatPath, origins), sender: sender}
	h.clients.Handle("SendMessage", signalr.Action1(h.sendMessage))
	n.presence.broadcastText = func(text string, except *signalr.Conn) {
		broadcast(h.clients.All().Except(except), "ReceiveNotification", text)
	}
	t.Subscribe(tail.Subscriber{Push: h.push})
	return h.clients
}

func (h *agentsChat) sendMessage(ctx context.Context, c *signalr.Conn, text string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := h.sender.Send(ctx, draftOf(c, chat.General, uuid.NewString(), text))
	if f := fault.Of(err); err != nil && f.Kind != fault.Internal {
		return signalr.HubError(f.Detail)
	}
	return err
}

// push sends an entry to the agents who may read the stream.
func (h *agentsChat) push(e chat.Entry) {
	switch owner, own := chat.Owner(e.Stream); {
	case own:
		broadcast(h.clients.User(owner), "ReceiveNotification", e.Body)
	case e.Stream == chat.Company:
		broadcast(h.clients.All(), "ReceiveNotification", e.Body)
	case e.Stream == chat.General:
		broadcast(h.clients.All(), "ReceiveMessage", e.Author, e.Avatar, e.Body)
	}
}
