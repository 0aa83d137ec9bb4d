package session

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a new hash costs: argon2id with 19 MiB and 2 passes.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashLanes   = 1
	hashLength  = 32
	saltLength  = 16
	mostMemory  = 256 * 1024 // KiB; a hash that asks for more is refused
	mostPasses  = 16
	mostLanes   = 8
	phcParts    = 6
	leastLength = 16
)

var errBadHash = errors.New("is no argon2id hash in PHC form ($argon2id$v=19$m=…,t=…,p=…$salt$hash)")

// hash is a password's argon2id hash with what it was made of.
type hash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// HashPassword makes the text that an agents file holds for a password.
func HashPassword(password string) string {
	h := hash{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltLength)}
	_, _ = rand.Read(h.salt) // It never fails: it ends the process instead.
	h.sum = h.of(password, hashLength)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.memory, h.passes, h.lanes, encode(h.salt), encode(h.sum))
}

func parseHash(text string) (hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != phcParts || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprint("v=", argon2.Version) {
		return hash{}, errBadHash
	}
	var h hash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil {
		return hash{}, errBadHash
	}
	var errSalt, errSum error
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, errSum = base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(errSalt, errSum) != nil || len(h.salt) == 0 || len(h.sum) < leastLength ||
		h.memory == 0 || h.memory > mostMemory || h.passes == 0 || h.passes > mostPasses ||
		h.lanes == 0 || h.lanes > mostLanes {
		return hash{}, errBadHash
	}
	return h, nil
}

func (h hash) of(password string, length int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(length)) //nolint:gosec // Bounded by base64 text.
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password, len(h.sum)), h.sum) == 1
}
