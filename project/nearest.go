package project

import (
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// didYouMean is `; did you mean "x"?`, or "" when nothing is near.
func didYouMean(got string, known []string) string {
	if k := twice.Nearest(got, known); k != "" {
		return fmt.Sprintf("; did you mean %q?", k)
	}
	return ""
}

// listing is "a, b or c".
func listing(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
