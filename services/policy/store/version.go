package store

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

func insertVersion(ctx context.Context, tx *database.Tx, number string, v policy.Version) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO policy_version (policy_number, number, cover_from, cover_to, valid_from, valid_to, total)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		number, v.Number, v.Cover.From.String(), v.Cover.To.String(),
		v.Validity.From.String(), v.Validity.To.String(), int64(v.Total))
	if err != nil {
		return fmt.Errorf("add version %d of policy %s: %w", v.Number, number, err)
	}
	for i, cover := range v.Covers {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO policy_cover (policy_number, version_number, position, code, premium)
			VALUES ($1, $2, $3, $4, $5)`,
			number, v.Number, i, cover.Code, int64(cover.Premium))
		if err != nil {
			return fmt.Errorf("add version %d of policy %s: %w", v.Number, number, err)
		}
	}
	return nil
}

// storedVersion is a version and the policy it belongs to.
type storedVersion struct {
	policyNumber string
	policy.Version
}

type storedCover struct {
	policyNumber  string
	versionNumber int
	policy.CoverPremium
}

// readVersions gives each of the policies its versions, in their order.
func readVersions(ctx context.Context, tx *database.Tx, policies []*policy.Policy) error {
	if len(policies) == 0 {
		return nil
	}
	byNumber := make(map[string]*policy.Policy, len(policies))
	numbers := make([]any, len(policies))
	for i, p := range policies {
		byNumber[p.Number], numbers[i] = p, p.Number
	}
	in := database.List(1, len(numbers))

	versions, err := database.All(ctx, tx, scanVersion, `
		SELECT policy_number, number, cover_from, cover_to, valid_from, valid_to, total
		FROM policy_version WHERE policy_number IN `+in+` ORDER BY policy_number, number`, numbers...)
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	for _, v := range versions {
		p := byNumber[v.policyNumber]
		p.Versions = append(p.Versions, v.Version)
	}

	covers, err := database.All(ctx, tx, scanVersionCover, `
		SELECT policy_number, version_number, code, premium
		FROM policy_cover WHERE policy_number IN `+in+` ORDER BY policy_number, version_number, position`, numbers...)
	if err != nil {
		return fmt.Errorf("read covers: %w", err)
	}
	for _, c := range covers {
		versions := byNumber[c.policyNumber].Versions
		for i := range versions {
			if versions[i].Number == c.versionNumber {
				versions[i].Covers = append(versions[i].Covers, c.CoverPremium)
			}
		}
	}
	return nil
}

func scanVersion(scan func(...any) error) (storedVersion, error) {
	var v storedVersion
	err := scan(&v.policyNumber, &v.Number, date{&v.Cover.From}, date{&v.Cover.To},
		date{&v.Validity.From}, date{&v.Validity.To}, &v.Total)
	return v, err
}

func scanVersionCover(scan func(...any) error) (storedCover, error) {
	var c storedCover
	err := scan(&c.policyNumber, &c.versionNumber, &c.Code, &c.Premium)
	return c, err
}
