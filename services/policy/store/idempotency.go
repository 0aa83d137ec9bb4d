package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/retry"
	"parley.internal/policy"
)

const (
	keyRetention = 7 * 24 * time.Hour
	cleanupChunk = 1000 // rows deleted in one transaction
)

// Do runs fn in a transaction and stores the response with the idempotency key.
// If the key was used before, Do replays the stored response instead. After an
// error the transaction is rolled back and the key stays unused.
func (s *Store) Do(
	ctx context.Context, key policy.IdempotencyKey, fn func(policy.Tx) (policy.Response, error),
) (response policy.Response, replayed bool, err error) {
	if key.Key == "" {
		err = s.db.InTx(ctx, func(tx *database.Tx) error {
			response, err = fn(&transaction{tx, s})
			return err
		})
		return response, false, err
	}
	request := key
	request.Digest = [32]byte{}
	if _, runs := s.running.LoadOrStore(request, true); runs {
		response, replayed, err = storedResponse(ctx, s.db.Reader(), key)
		if err == nil && !replayed {
			err = policy.ErrKeyInFlight
		}
		return response, replayed, err
	}
	defer s.running.Delete(request)
	err = s.db.InTx(ctx, func(tx *database.Tx) error {
		claimed, err := claim(ctx, tx, key)
		if err != nil {
			return err
		}
		if !claimed {
			response, replayed, err = storedResponse(ctx, tx, key)
			return err
		}
		if response, err = fn(&transaction{tx, s}); err != nil {
			return err
		}
		return storeResponse(ctx, tx, key, response)
	})
	return response, replayed, err
}

// claim inserts a key and reports whether the key was new. On PostgreSQL, claim
// waits for an open transaction of another node with the same key.
func claim(ctx context.Context, tx *database.Tx, key policy.IdempotencyKey) (bool, error) {
	added, err := database.Affected(tx.ExecContext(ctx, `
		INSERT INTO idempotency_key (agent_login, method, path, key, digest, status, location, body, created_at)
		VALUES ($1, $2, $3, $4, $5, 0, '', $6, $7)
		ON CONFLICT (agent_login, method, path, key) DO NOTHING`,
		key.AgentLogin, key.Method, key.Path, key.Key, key.Digest[:], []byte{}, database.Instant(time.Now())))
	if err != nil {
		return false, fmt.Errorf("claim idempotency key: %w", err)
	}
	return added == 1, nil
}

// storedResponse returns the response stored with a key and reports whether the key
// was used.
func storedResponse(
	ctx context.Context, q database.Querier, key policy.IdempotencyKey,
) (response policy.Response, found bool, err error) {
	var digest []byte
	found, err = database.One(ctx, q, `
		SELECT digest, status, location, body FROM idempotency_key
		WHERE agent_login = $1 AND method = $2 AND path = $3 AND key = $4`,
		[]any{key.AgentLogin, key.Method, key.Path, key.Key}, &digest, &response.Status, &response.Location, &response.Body)
	switch {
	case err != nil:
		return policy.Response{}, false, fmt.Errorf("read idempotency key: %w", err)
	case found && !bytes.Equal(digest, key.Digest[:]):
		return policy.Response{}, false, policy.ErrKeyReused
	}
	return response, found, nil
}

func storeResponse(ctx context.Context, tx *database.Tx, key policy.IdempotencyKey, response policy.Response) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE idempotency_key SET status = $1, location = $2, body = $3
		WHERE agent_login = $4 AND method = $5 AND path = $6 AND key = $7`,
		response.Status, response.Location, response.Body, key.AgentLogin, key.Method, key.Path, key.Key)
	if err != nil {
		return fmt.Errorf("store response with idempotency key: %w", err)
	}
	return nil
}

// DeleteExpiredKeys deletes idempotency keys older than seven days. A transaction
// deletes at most a thousand, to block other transactions only shortly. The end of ctx
// is no error.
func (s *Store) DeleteExpiredKeys(ctx context.Context, now time.Time) error {
	err := retry.Chunks(ctx, cleanupChunk, func() (deleted int64, err error) {
		return database.Affected(s.db.Exec(ctx, `
			DELETE FROM idempotency_key WHERE (agent_login, method, path, key) IN (
				SELECT agent_login, method, path, key FROM idempotency_key WHERE created_at < $1 LIMIT $2)`,
			database.Instant(now.Add(-keyRetention)), cleanupChunk))
	})
	if err != nil {
		return fmt.Errorf("delete expired idempotency keys: %w", err)
	}
	return nil
}
