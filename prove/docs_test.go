package prove_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/twice-data/twice/prove"
)

func TestEveryLawIsExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/laws.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range prove.Laws {
		if !bytes.Contains(page, []byte("\n**"+l.Name+"**: ")) {
			t.Errorf("docs/laws.md does not explain the law %s", l.Name)
		}
	}
}
