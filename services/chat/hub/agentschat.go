package hub

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

// AgentsChatPath is where AgentsChat is served.
const AgentsChatPath = "/agentsChat"

// AgentsChat is the hub of the original system, to the letter: agents invoke
// SendMessage(text) and hear ReceiveMessage(login, avatar, text) and
// ReceiveNotification(text). Nothing else is called on either side.
type AgentsChat struct {
	hub    *signalr.Hub
	lobby  *Lobby
	sender chat.Sender
}

// NewAgentsChat makes the hub. Requests must come through auth.HubMiddleware.
func NewAgentsChat(lobby *Lobby, delivery *Delivery, sender chat.Sender, origins web.Origins) *AgentsChat {
	c := &AgentsChat{hub: lobby.open(AgentsChatPath, origins), lobby: lobby, sender: sender}
	c.hub.Handle("SendMessage", signalr.Action1(c.sendMessage))
	lobby.presence.tell = c.tell
	delivery.Listen(c.push, func([]string) {})
	return c
}

func (c *AgentsChat) sendMessage(ctx context.Context, conn *signalr.Conn, text string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	said := chat.Saying{Stream: chat.General, ID: uuid.NewString(), Text: text}
	if _, err := c.sender.Send(ctx, authorOf(conn), said); err != nil {
		if f := fault.Of(err); f.Kind != fault.Internal {
			return signalr.HubError(f.Detail)
		}
		return err
	}
	return nil
}

// push tells the agents of an entry.
func (c *AgentsChat) push(e chat.Entry) {
	switch owner, own := chat.Owner(e.Stream); {
	case own:
		send(c.hub.User(owner), "ReceiveNotification", e.Body)
	case e.Stream == chat.Company:
		send(c.hub.All(), "ReceiveNotification", e.Body)
	case e.Stream == chat.General:
		send(c.hub.All(), "ReceiveMessage", e.Author, e.Avatar, e.Body)
	}
}

func (c *AgentsChat) tell(text string, except *signalr.Conn) {
	send(c.hub.All().Except(except), "ReceiveNotification", text)
}

// ServeHTTP implements http.Handler for AgentsChatPath and its negotiation.
func (c *AgentsChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.hub.ServeHTTP(w, r)
}
