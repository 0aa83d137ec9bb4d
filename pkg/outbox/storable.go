package outbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"parley.internal/pkg/event"
)

// maxHeader is how many bytes of a header are taken as they are: an index of
// PostgreSQL takes no more than some thousands.
const maxHeader = 255

// storable is m with nothing that a database refuses: what a foreign publisher
// made of its headers must not keep all others waiting. A longer id, or one that
// is no text, is replaced by its digest, so that its copies are still known, and
// others are not taken for one; so is a partition key that is no text. A message
// with a longer partition key has no order.
func storable(m event.Message) event.Message {
	if len(m.ID) > maxHeader || plain(m.ID) != m.ID {
		m.ID = digest(m.ID)
	}
	if len(m.PartitionKey) > maxHeader {
		m.PartitionKey, m.Sequence = "", 0
	}
	if plain(m.PartitionKey) != m.PartitionKey {
		m.PartitionKey = digest(m.PartitionKey)
	}
	if len(m.TraceParent) > maxHeader {
		m.TraceParent = ""
	}
	m.Source = m.Source[:min(len(m.Source), maxHeader)]
	for _, field := range []*string{&m.Type, &m.Source, &m.TraceParent} {
		*field = plain(*field)
	}
	return m
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// reason is an error in short, the same for events that failed alike.
func reason(err, id string) string {
	const most, unlikely = 200, 16
	err, _, _ = strings.Cut(err, "\n")
	err = strings.ReplaceAll(err, " "+id+":", " …:")
	if len(id) >= unlikely { // By chance.
		err = strings.ReplaceAll(err, id, "…")
	}
	if len(err) > most {
		err = strings.ToValidUTF8(err[:most], "") + "…"
	}
	return err
}
