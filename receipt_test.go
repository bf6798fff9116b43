package twice

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// fingerprintOf is what a database computes: the sum of the rows' hashes, which it may hold as signed or unsigned.
func fingerprintOf(t *rapid.T, hashes []uint64, signed bool) Fingerprint {
	sum := new(big.Int)
	for _, h := range hashes {
		if signed {
			sum.Add(sum, big.NewInt(int64(h)))
		} else {
			sum.Add(sum, new(big.Int).SetUint64(h))
		}
	}
	text := sum.String()
	if len(hashes) == 0 {
		text = "" // a sum over nothing is NULL
	}
	f, err := ParseFingerprint(int64(len(hashes)), text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFingerprintAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Uint64())
		a, b := rows.Draw(t, "a"), rows.Draw(t, "b")
		fa, fb := fingerprintOf(t, a, false), fingerprintOf(t, b, true)
		union := append(append([]uint64{}, b...), a...)
		if got, want := fa.Add(fb), fingerprintOf(t, union, rapid.Bool().Draw(t, "signed")); got != want {
			t.Fatalf("the union's fingerprint is %v, the sum of the parts %v", want, got)
		}
		if fa.Add(fb) != fb.Add(fa) || fa.Add(fb).Sub(fb) != fa {
			t.Fatalf("%v and %v: order counts, or taking away does not undo adding", fa, fb)
		}
	})
}

func TestFingerprintCountsEqualRows(t *testing.T) {
	one := Fingerprint{Rows: 1, Sum: 1 << 63}
	two := one.Add(one)
	if two.Rows != 2 || two == (Fingerprint{}) {
		t.Errorf("a row and its twin cancel out: %v", two)
	}
	if _, err := ParseFingerprint(1, "12.5"); err == nil {
		t.Error("a sum with a fraction is accepted")
	}
	if got := (Fingerprint{Sum: 255}).String(); got != "00000000000000ff" {
		t.Errorf("a fingerprint is shown as %q", got)
	}
}
