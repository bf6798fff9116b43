package lint

import (
	"fmt"

	"github.com/twice-data/twice"
)

// suggest asks whether the nearest of names was meant, or says otherwise if none is near.
func suggest(got string, names []string, otherwise string) string {
	if best := twice.Nearest(got, names); best != "" {
		return fmt.Sprintf("did you mean %s? otherwise %s", best, otherwise)
	}
	return otherwise
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
