package policy_test

import (
	"fmt"
	"time"

	"parley.internal/policy"
)

func ExampleOffer_Buy() {
	now := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	offer := &policy.Offer{
		Number:      "O-1",
		ProductCode: "CAR",
		Period:      policy.Period{From: policy.DateOf(now), To: policy.DateOf(now).AddYears(1)},
		Covers:      []policy.CoverPremium{{Code: "C1", Premium: 10000}},
		Total:       10000,
		AgentLogin:  "jimmy.solid",
		CreatedAt:   now,
		Status:      policy.OfferNew,
	}
	holder := policy.Holder{FirstName: "Anna", LastName: "Nowak", TaxID: "78042312345"}
	address := policy.Address{Country: "PL", ZipCode: "00-001", City: "Warszawa", Street: "Chłodna 52"}

	bought, events, err := offer.Buy("P-1", holder, address, now)
	fmt.Println(bought.Versions[0].Total, events[0].Type(), err)

	_, _, err = offer.Buy("P-2", holder, address, now)
	fmt.Println(err)
	// Output:
	// 100.00 PolicyCreated <nil>
	// Offer O-1 is not in new status and cannot be bought
}
