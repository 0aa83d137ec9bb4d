package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

const (
	keysKept     = 7 * 24 * time.Hour
	cleanupChunk = 1000 // rows deleted in one transaction
)

// requestKey is what makes two requests the same one.
type requestKey struct{ agentLogin, method, path, key string }

func keyOf(r policy.Request) requestKey { return requestKey{r.AgentLogin, r.Method, r.Path, r.Key} }

// Recall is the reply to a request that was made before, if it was.
func (s *Store) Recall(ctx context.Context, r policy.Request) (reply policy.Reply, replayed bool, err error) {
	return recall(ctx, s.db.Reader(), r)
}

// Once does what is asked for and keeps the reply with it, in one transaction,
// the one that do is given. If it was done before, it replays that reply. What
// failed was not done: do is tried again with the next request.
func (s *Store) Once(
	ctx context.Context, r policy.Request, do func(context.Context, *database.Tx) (policy.Reply, error),
) (reply policy.Reply, replayed bool, err error) {
	reply, replayed, err = recall(ctx, s.db.Reader(), r)
	if err != nil || replayed {
		return reply, replayed, err
	}
	if !s.begin(keyOf(r)) {
		return policy.Reply{}, false, policy.ErrKeyInFlight
	}
	defer s.end(keyOf(r))

	err = s.db.InTx(ctx, func(tx *database.Tx) error {
		claimed, err := claim(ctx, tx, r)
		if err != nil {
			return err
		}
		if !claimed { // Another node, or a moment ago.
			reply, replayed, err = recall(ctx, tx, r)
			return err
		}
		if reply, err = do(ctx, tx); err != nil {
			return err
		}
		return keep(ctx, tx, r, reply)
	})
	return reply, replayed, err
}

// begin reports whether nobody in this process is doing the same.
func (s *Store) begin(key requestKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.inFlight[key]; busy {
		return false
	}
	s.inFlight[key] = struct{}{}
	return true
}

func (s *Store) end(key requestKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inFlight, key)
}

// recall is the reply that was kept, if one was.
func recall(ctx context.Context, q database.Querier, r policy.Request) (policy.Reply, bool, error) {
	var reply policy.Reply
	var digest []byte
	found, err := database.One(ctx, q, `
		SELECT digest, status, location, body FROM idempotency_key
		WHERE agent_login = $1 AND method = $2 AND path = $3 AND key = $4`,
		[]any{r.AgentLogin, r.Method, r.Path, r.Key}, &digest, &reply.Status, &reply.Location, &reply.Body)
	switch {
	case err != nil:
		return policy.Reply{}, false, fmt.Errorf("recall an idempotency key: %w", err)
	case found && !bytes.Equal(digest, r.Digest[:]):
		return policy.Reply{}, false, policy.ErrKeyReused
	}
	return reply, found, nil
}

// claim takes the key, unless it is taken. On PostgreSQL it waits for another
// node's transaction that has taken it and has not ended.
func claim(ctx context.Context, tx *database.Tx, r policy.Request) (bool, error) {
	added, err := database.Affected(tx.ExecContext(ctx, `
		INSERT INTO idempotency_key (agent_login, method, path, key, digest, status, location, body, created_at)
		VALUES ($1, $2, $3, $4, $5, 0, '', $6, $7)
		ON CONFLICT (agent_login, method, path, key) DO NOTHING`,
		r.AgentLogin, r.Method, r.Path, r.Key, r.Digest[:], []byte{}, database.Instant(time.Now())))
	if err != nil {
		return false, fmt.Errorf("claim an idempotency key: %w", err)
	}
	return added == 1, nil
}

func keep(ctx context.Context, tx *database.Tx, r policy.Request, reply policy.Reply) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE idempotency_key SET status = $1, location = $2, body = $3
		WHERE agent_login = $4 AND method = $5 AND path = $6 AND key = $7`,
		reply.Status, reply.Location, reply.Body, r.AgentLogin, r.Method, r.Path, r.Key)
	if err != nil {
		return fmt.Errorf("keep the reply to an idempotency key: %w", err)
	}
	return nil
}

// ForgetKeys deletes what was kept for longer than seven days, a thousand in a
// transaction, so that nobody waits for it.
func (s *Store) ForgetKeys(ctx context.Context, now time.Time) error {
	for {
		deleted, err := s.forgetSome(ctx, database.Instant(now.Add(-keysKept)))
		if err != nil {
			return fmt.Errorf("forget idempotency keys: %w", err)
		}
		if deleted < cleanupChunk {
			return nil
		}
	}
}

func (s *Store) forgetSome(ctx context.Context, before int64) (deleted int64, err error) {
	err = s.db.InTx(ctx, func(tx *database.Tx) error {
		deleted, err = database.Affected(tx.ExecContext(ctx, `
			DELETE FROM idempotency_key WHERE (agent_login, method, path, key) IN (
				SELECT agent_login, method, path, key FROM idempotency_key WHERE created_at < $1 LIMIT $2)`,
			before, cleanupChunk))
		return err
	})
	return deleted, err
}
