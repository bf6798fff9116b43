package prove

import (
	"context"
	"regexp"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

// inZone runs every window in a session whose time zone is another one. Which instant $start is, next to a column with a
// time zone, is twice's own doing: it sets the session's zone, and its windows begin in UTC. So a comparison with a
// parameter may be one of instants, which do not move with the session; whatever else depends on the zone breaks the law.
func inZone(ctx context.Context, b *bench, zone string) (*Break, error) {
	var first *Break
	for _, text := range asInstants(b.p.SQL) {
		how := setup{
			wrap:     sessionSettings("SET TimeZone = '" + zone + "'"),
			pipeline: func(p twice.Pipeline) *twice.Pipeline { p.SQL = text; return &p },
		}
		br, err := b.onSitting(ctx, b.base, how, func(s *sitting) (*Break, error) { return s.together(ctx, run.Options{}) })
		if err != nil || br == nil {
			return nil, err
		}
		if first == nil {
			first = br
		}
	}
	return first, nil
}

// parameter is one that is compared with what stands before it, or behind it.
var parameter = regexp.MustCompile(`(?i)(?:[<>=]|\bbetween|\band)\s*(\$(?:start|end)\b)|(\$(?:start|end)\b)\s*[<>=]`)

// mostCompared bounds how many comparisons are told apart.
const mostCompared = 4

// asInstants are an SQL text itself and, if it compares parameters, with every choice of them as instants. A text with many
// comparisons is given with all of them and with none.
func asInstants(sql string) []string {
	texts := []string{sql}
	var at [][2]int
	for _, m := range parameter.FindAllStringSubmatchIndex(sql, -1) {
		from, to := m[2], m[3]
		if from < 0 {
			from, to = m[4], m[5]
		}
		rest := strings.ToLower(strings.TrimSpace(sql[to:]))
		if !strings.HasPrefix(rest, "::") && !strings.HasPrefix(rest, "at time zone") {
			at = append(at, [2]int{from, to})
		}
	}
	all := 1<<len(at) - 1
	for choice := all; choice > 0; choice-- {
		if len(at) > mostCompared && choice != all {
			break
		}
		var b strings.Builder
		last := 0
		for i, place := range at {
			if choice&(1<<i) != 0 {
				b.WriteString(sql[last:place[0]] + "(" + sql[place[0]:place[1]] + " AT TIME ZONE 'UTC')")
				last = place[1]
			}
		}
		texts = append(texts, b.String()+sql[last:])
	}
	return texts
}
