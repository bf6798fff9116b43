package postgres

import (
	"math/big"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

// TestNumericKeepsEveryDigit reads back what numeric wrote with another implementation of the format.
func TestNumericKeepsEveryDigit(t *testing.T) {
	m := pgtype.NewMap()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?(0|[1-9][0-9]{0,37}|[1-9]0{1,37})(\.[0-9]{1,38}|\.0{1,9}[0-9]{1,4})?`).Draw(t, "number")
		buf, err := numeric(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		var n pgtype.Numeric
		if err := m.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, buf, &n); err != nil {
			t.Fatal(err)
		}
		want, _ := new(big.Rat).SetString(s)
		got := new(big.Rat).SetInt(n.Int)
		ten := new(big.Rat).SetInt64(10)
		for ; n.Exp < 0; n.Exp++ {
			got.Quo(got, ten)
		}
		for ; n.Exp > 0; n.Exp-- {
			got.Mul(got, ten)
		}
		if got.Cmp(want) != 0 {
			t.Errorf("%s became %s", s, got.RatString())
		}
	})
}
