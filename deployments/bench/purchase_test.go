package bench

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
	"parley.internal/policy"
	"parley.internal/policy/expression"
	"parley.internal/policy/store"
)

// TestPurchase compares purchases that tell of themselves with purchases that
// do not. Nobody relays meanwhile.
func TestPurchase(t *testing.T) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		t.Run(kind, func(t *testing.T) {
			url := "sqlite:" + t.TempDir() + "/bench.db"
			if kind == "PostgreSQL" {
				url = testenv.Postgres(t)
			}
			db := service(t, url)
			must(t, store.Migrate(t.Context(), db))
			s := store.New(db, outbox.New(db, "policy", slog.New(slog.DiscardHandler)), func() {})
			catalogue, err := policy.Standard()
			must(t, err)
			must(t, s.Seed(t.Context(), catalogue))
			purchases(t, kind, s, catalogue)
		})
	}
}

func purchases(t *testing.T, kind string, s *store.Store, catalogue policy.Catalogue) {
	t.Helper()
	with, without := kind+", with its outbox row", kind+", without"
	figures := newTable("purchases/s")
	n := scaled(1_000)
	number := 0
	buy := func(tell bool) float64 {
		var took time.Duration
		for range n {
			number++
			offer := offered(t, catalogue, fmt.Sprintf("%s-%d", kind, number))
			must(t, s.AddOffer(t.Context(), offer))
			begun := time.Now()
			must(t, s.Buy(t.Context(), policy.Viewer{Login: offer.AgentLogin}, offer.Number,
				func(o *policy.Offer) (*policy.Policy, []event.Event, error) {
					p, events, err := o.Buy("P-"+offer.Number, policy.Holder{FirstName: "Anna", LastName: "Nowak", TaxID: "1"},
						policy.Address{Country: "PL", ZipCode: "00-001", City: "Warszawa", Street: "Prosta 1"}, time.Now())
					if !tell {
						events = nil
					}
					return p, events, err
				}))
			took += time.Since(begun)
		}
		return rate(n, took)
	}
	buy(true) // Warms up both.
	for round := range *rounds {
		fmt.Printf("round %d\n", round+1)
		figures.add(without, buy(false))
		figures.add(with, buy(true))
	}
	figures.print("Purchase", without)
}

func offered(tb testing.TB, catalogue policy.Catalogue, number string) *policy.Offer {
	tb.Helper()
	for i := range catalogue.Products {
		if p := &catalogue.Products[i]; p.Code == "CAR" {
			for _, tariff := range catalogue.Tariffs {
				if tariff.ProductCode != p.Code {
					continue
				}
				pricer, err := expression.Compile(p, tariff)
				must(tb, err)
				today := policy.DateOf(time.Now())
				offer, err := p.Offer(pricer, policy.Inquiry{
					OfferNumber: number, AgentLogin: "jimmy.solid", Period: policy.Period{From: today, To: today.AddYears(1)},
					Covers:  []string{"C1"},
					Answers: []policy.Answer{{QuestionCode: "NUM_OF_CLAIM", QuestionType: policy.QuestionNumeric, Answer: []byte("0")}},
				}, time.Now().UTC().Truncate(time.Microsecond))
				must(tb, err)
				return offer
			}
		}
	}
	tb.Fatal("there is no CAR")
	return nil
}
