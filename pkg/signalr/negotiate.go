package signalr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// newestNegotiate is the version that newer clients are answered with.
const newestNegotiate = 1

// negotiation is the answer to a client that asks how to connect. In version 0
// the connection id is what the client connects with; in version 1 that is the
// token, and the id is public.
type negotiation struct {
	NegotiateVersion    int       `json:"negotiateVersion,omitempty"`
	ConnectionID        string    `json:"connectionId,omitempty"`
	ConnectionToken     string    `json:"connectionToken,omitempty"`
	AvailableTransports []offered `json:"availableTransports,omitempty"`
	Error               string    `json:"error,omitempty"`
}

type offered struct {
	Transport       Transport `json:"transport"`
	TransferFormats []string  `json:"transferFormats"`
}

// offers are the hub's transports, best first.
func offers(transports []Transport) (all []offered) {
	for _, t := range everyTransport {
		if slices.Contains(transports, t) {
			all = append(all, offered{Transport: t, TransferFormats: t.transferFormats()})
		}
	}
	return all
}

func (h *Hub) negotiate(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	who, ok := h.admit(w, r)
	if !ok || !h.open(w, who) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h.offer(r.URL.Query(), who)) // the client may have gone
}

func (h *Hub) offer(query url.Values, who Identity) negotiation {
	version, problem := negotiateVersion(query)
	if problem != "" {
		return negotiation{Error: problem}
	}
	t, token := h.tickets.issue(who.User, time.Now())
	if version == 0 {
		return negotiation{ConnectionID: token, AvailableTransports: offers(h.options.Transports)}
	}
	return negotiation{
		NegotiateVersion:    version,
		ConnectionID:        h.tickets.publicID(t),
		ConnectionToken:     token,
		AvailableTransports: offers(h.options.Transports),
	}
}

func negotiateVersion(query url.Values) (version int, problem string) {
	if !query.Has("negotiateVersion") {
		return 0, ""
	}
	asked, err := strconv.ParseInt(query.Get("negotiateVersion"), 10, 32)
	switch {
	case err != nil:
		return 0, "The client requested a non-integer protocol version."
	case asked < 0:
		return 0, fmt.Sprintf("The client requested version '%d', but the server does not support this version.", asked)
	default:
		return min(int(asked), newestNegotiate), ""
	}
}
