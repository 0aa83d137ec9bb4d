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

// Cost of a new hash: argon2id with 19 MiB and 2 passes.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	hashLength  = 32 // bytes
	saltLength  = 16 // bytes
)

// Bounds of a parsed hash, so that a hostile agents file cannot exhaust the server.
const (
	phcParts      = 6
	maxMemory     = 256 * 1024 // KiB
	maxPasses     = 16
	maxThreads    = 8
	minHashLength = 16 // bytes
)

var errBadHash = errors.New("not an argon2id hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash)")

// hash is an argon2id hash of a password with its parameters.
type hash struct {
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

func newHash(password string) hash {
	h := hash{memory: hashMemory, passes: hashPasses, threads: hashThreads, salt: make([]byte, saltLength)}
	_, _ = rand.Read(h.salt) // It never returns an error.
	h.sum = h.of(password, hashLength)
	return h
}

// HashPassword returns the argon2id hash of a password in PHC format, for an
// agents file.
func HashPassword(password string) string {
	h, encode := newHash(password), base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.memory, h.passes, h.threads, encode(h.salt), encode(h.sum))
}

func parseHash(text string) (hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != phcParts || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprint("v=", argon2.Version) {
		return hash{}, errBadHash
	}
	var h hash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return hash{}, errBadHash
	}
	var errSalt, errSum error
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, errSum = base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(errSalt, errSum) != nil || len(h.salt) == 0 || len(h.sum) < minHashLength ||
		h.memory == 0 || h.memory > maxMemory || h.passes == 0 || h.passes > maxPasses ||
		h.threads == 0 || h.threads > maxThreads {
		return hash{}, errBadHash
	}
	return h, nil
}

func (h hash) of(password string, length int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(length)) //nolint:gosec // The length of a decoded base64 text fits.
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password, len(h.sum)), h.sum) == 1
}
