package wire

import (
	"fmt"
	"net/url"
	"strconv"
)

// newestNegotiate is the version in the answer to newer clients.
const newestNegotiate = 1

// Negotiation is the answer to a negotiate request. A client connects with the connection ID in
// version 0, and with the connection token in version 1, where the ID is public.
type Negotiation struct {
	NegotiateVersion    int                  `json:"negotiateVersion,omitempty"`
	ConnectionID        string               `json:"connectionId,omitempty"`
	ConnectionToken     string               `json:"connectionToken,omitempty"`
	AvailableTransports []AvailableTransport `json:"availableTransports,omitempty"`
	Error               string               `json:"error,omitempty"`
}

// AvailableTransport is a transport that the client may choose.
type AvailableTransport struct {
	Transport       string   `json:"transport"`
	TransferFormats []string `json:"transferFormats"`
}

// NegotiateVersion chooses the version of the answer. A non-empty text is the error for the client.
func NegotiateVersion(query url.Values) (version int, text string) {
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
