package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// headerLimit is how many bytes of a header are stored: an index of PostgreSQL accepts
// only a few thousand bytes.
const headerLimit = 255

// sanitize makes the headers of m acceptable to the database: headers of a foreign
// publisher must not block other events. An id with invalid text or too many bytes
// becomes a digest: duplicates are still recognized and different ids stay different;
// likewise a partition key with invalid text. A message with a
// longer partition key has no order.
func sanitize(m event.Message) event.Message {
	if len(m.ID) > headerLimit || database.Text(m.ID) != m.ID {
		m.ID = digest(m.ID)
	}
	if len(m.PartitionKey) > headerLimit {
		m.PartitionKey, m.Sequence = "", 0
	}
	if database.Text(m.PartitionKey) != m.PartitionKey {
		m.PartitionKey = digest(m.PartitionKey)
	}
	if len(m.TraceParent) > headerLimit {
		m.TraceParent = ""
	}
	m.Source = m.Source[:min(len(m.Source), headerLimit)]
	for _, field := range []*string{&m.Type, &m.Source, &m.TraceParent} {
		*field = database.Text(*field)
	}
	return m
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shortReason shortens an error so that events with the same cause have equal reasons.
func shortReason(err, id string) string {
	const limit, unlikely = 200, 16
	err, _, _ = strings.Cut(err, "\n")
	err = strings.ReplaceAll(err, " "+id+":", " …:")
	if len(id) >= unlikely { // A short id may match by chance.
		err = strings.ReplaceAll(err, id, "…")
	}
	if len(err) > limit {
		err = strings.ToValidUTF8(err[:limit], "") + "…"
	}
	return err
}
