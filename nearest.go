package twice

import (
	"slices"
	"strings"
)

// Nearest is the known name that a person most likely meant by got, or "".
func Nearest(got string, known []string) string {
	best, bestDistance := "", max(1, (len(got)+1)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if n := distance(strings.ToLower(got), strings.ToLower(k)); n < bestDistance {
			best, bestDistance = k, n
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour (Damerau's optimal string
// alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
