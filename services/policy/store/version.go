package store

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

func (tx *transaction) insertVersion(ctx context.Context, policyNumber string, v *policy.Version) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO policy_version (policy_number, number, cover_from, cover_to, valid_from, valid_to, total)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		policyNumber, v.Number, v.Cover.From.String(), v.Cover.To.String(),
		v.Validity.From.String(), v.Validity.To.String(), int64(v.Total))
	if err != nil {
		return fmt.Errorf("add version %d of policy %s: %w", v.Number, policyNumber, err)
	}
	for i, cover := range v.Covers {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO policy_cover (policy_number, version_number, position, code, premium)
			VALUES ($1, $2, $3, $4, $5)`,
			policyNumber, v.Number, i, cover.Code, int64(cover.Premium))
		if err != nil {
			return fmt.Errorf("add version %d of policy %s: %w", v.Number, policyNumber, err)
		}
	}
	return nil
}

// readVersions reads the versions of policies and their covers, in order. Each version has a
// cover.
func readVersions(ctx context.Context, q database.Querier, policies []*policy.Policy) error {
	if len(policies) == 0 {
		return nil
	}
	byNumber := make(map[string]*policy.Policy, len(policies))
	numbers := make([]any, len(policies))
	for i, p := range policies {
		byNumber[p.Number], numbers[i] = p, p.Number
	}
	_, err := database.All(ctx, q, func(scan func(...any) error) (none struct{}, err error) {
		var number string
		var v policy.Version
		var c policy.CoverPremium
		err = scan(&number, &v.Number, date(&v.Cover.From), date(&v.Cover.To),
			date(&v.Validity.From), date(&v.Validity.To), &v.Total, &c.Code, &c.Premium)
		if err != nil {
			return none, err
		}
		p := byNumber[number]
		if len(p.Versions) == 0 || p.Newest().Number != v.Number {
			p.Versions = append(p.Versions, v)
		}
		p.Newest().Covers = append(p.Newest().Covers, c)
		return none, nil
	}, `
		SELECT v.policy_number, v.number, cover_from, cover_to, valid_from, valid_to, total, code, premium
		FROM policy_version v JOIN policy_cover c ON c.policy_number = v.policy_number AND c.version_number = v.number
		WHERE v.policy_number IN `+database.List(1, len(numbers))+`
		ORDER BY v.policy_number, v.number, position`, numbers...)
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	return nil
}
