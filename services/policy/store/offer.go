package store

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// AddOffer implements policy.Tx.
func (tx *transaction) AddOffer(ctx context.Context, o *policy.Offer) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO offer (number, product_code, cover_from, cover_to, total, agent_login, created_at, status)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.Number, o.ProductCode, o.Period.From.String(), o.Period.To.String(), int64(o.Total),
		o.AgentLogin, database.Instant(o.CreatedAt), string(o.Status))
	if err != nil {
		return fmt.Errorf("add offer %s: %w", o.Number, err)
	}
	for i, cover := range o.Covers {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO offer_cover (offer_number, position, code, premium) VALUES ($1, $2, $3, $4)`,
			o.Number, i, cover.Code, int64(cover.Premium))
		if err != nil {
			return fmt.Errorf("add offer %s: %w", o.Number, err)
		}
	}
	return nil
}

// Buy implements policy.Tx.
func (tx *transaction) Buy(
	ctx context.Context, agent policy.Agent, offerNumber string,
	buy func(*policy.Offer) (*policy.Policy, []event.Event, error),
) error {
	offer, err := tx.lockOffer(ctx, agent, offerNumber)
	if err != nil {
		return err
	}
	bought, events, err := buy(offer)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE offer SET status = $1 WHERE number = $2", string(offer.Status), offer.Number)
	if err != nil {
		return fmt.Errorf("update offer %s: %w", offer.Number, err)
	}
	if err := tx.insertPolicy(ctx, bought); err != nil {
		return err
	}
	return tx.store.outbox.Write(ctx, tx.Tx, bought.Number, events...)
}

func (tx *transaction) lockOffer(ctx context.Context, agent policy.Agent, number string) (*policy.Offer, error) {
	o := &policy.Offer{Number: number}
	var createdAt int64
	found, err := database.One(ctx, tx, `
		SELECT product_code, cover_from, cover_to, total, agent_login, created_at, status
		FROM offer WHERE number = $1`+tx.lock(), []any{number},
		&o.ProductCode, date(&o.Period.From), date(&o.Period.To), &o.Total, &o.AgentLogin, &createdAt, &o.Status)
	if err != nil {
		return nil, fmt.Errorf("read offer %s: %w", number, err)
	}
	if !found || !agent.MaySee(o.AgentLogin) {
		return nil, policy.ErrOfferUnknown
	}
	o.CreatedAt = database.Time(createdAt)
	o.Covers, err = database.All(ctx, tx, scanCover,
		"SELECT code, premium FROM offer_cover WHERE offer_number = $1 ORDER BY position", number)
	if err != nil {
		return nil, fmt.Errorf("read covers of offer %s: %w", number, err)
	}
	return o, nil
}

func scanCover(scan func(...any) error) (policy.CoverPremium, error) {
	var cover policy.CoverPremium
	err := scan(&cover.Code, &cover.Premium)
	return cover, err
}
