package prove

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
)

// places are environments of processes.
var places = []map[string]string{
	{"TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "USER": "somebody", "LOGNAME": "somebody"},
	{"TZ": "America/St_Johns", "LANG": "C", "LC_ALL": "C", "USER": "root", "LOGNAME": "root"},
}

// zones are session time zones at both ends of the world, and one that changes its clocks.
var zones = []string{"Pacific/Kiritimati", "America/Los_Angeles", "Europe/Berlin"}

// tryClock runs in other time zones, locales, users and years.
func tryClock(ctx context.Context, b *bench, t *trials) error {
	var ss []scenario
	for _, zone := range zones {
		ss = append(ss, scenario{
			name: "session in " + zone, steps: []string{"run every window in a session whose time zone is " + zone},
			play: func(ctx context.Context, b *bench) (*Break, error) { return inZone(ctx, b, zone) },
		})
	}
	for i, env := range places {
		ss = append(ss, scenario{
			name:  fmt.Sprintf("process in %s, %s", env["TZ"], env["LANG"]),
			steps: []string{fmt.Sprintf("run a window with TZ=%s LANG=%s USER=%s", env["TZ"], env["LANG"], env["USER"])},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				now := b.Now.AddDate(i, 0, 1)
				return elsewhere(ctx, b, env, now)
			},
		})
	}
	for _, now := range moments(b.Now) {
		ss = append(ss, scenario{
			name: "at " + now.Format(time.RFC3339), steps: []string{"run a window with --now " + now.Format(time.RFC3339)},
			play: func(ctx context.Context, b *bench) (*Break, error) { return elsewhere(ctx, b, places[0], now) },
		})
	}
	if err := clocks(ctx, b, t); err != nil || t.broken != nil {
		return err
	}
	return t.all(ctx, ss)
}

// moments are times at which calendars do unusual things, and a year on.
func moments(now time.Time) []time.Time {
	leap := now.Year() + 1
	for leap%4 != 0 || leap%100 == 0 && leap%400 != 0 {
		leap++
	}
	return []time.Time{
		now.AddDate(0, 0, 1), now.AddDate(1, 0, 0),
		time.Date(leap, 2, 29, 23, 59, 59, 0, time.UTC),
		time.Date(now.Year()+1, 3, 28, 1, 0, 0, 0, time.UTC),
	}
}

func elsewhere(ctx context.Context, b *bench, env map[string]string, now time.Time) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	return b.onLab(ctx, from, func(l *lab) (*Break, error) {
		c := l.child(ctx, b.full(), []string{"--now", now.UTC().Format(time.RFC3339)}, env)
		if bad := c.wait(); bad != nil {
			return failed(bad), nil
		}
		return l.compared(ctx)
	})
}

// clockCalls are functions that read the engine's clock; a date's are put in as dates.
var clockCalls = map[string]string{
	"now": "TIMESTAMPTZ", "current_timestamp": "TIMESTAMPTZ", "transaction_timestamp": "TIMESTAMPTZ", "get_current_timestamp": "TIMESTAMPTZ",
	"statement_timestamp": "TIMESTAMPTZ", "clock_timestamp": "TIMESTAMPTZ", "current_date": "DATE", "today": "DATE",
	"localtimestamp": "TIMESTAMP", "current_localtimestamp": "TIMESTAMP",
}

var callText = regexp.MustCompile(`(?i)^(?:[a-z_]+\.)?([a-z_]+)(\s*\(\s*\))?`)

// clocks moves the engine's clock where the SELECT names it: a call is replaced by a time. A clock, or a look at the
// session, that is behind a view or in another place where it cannot be replaced is a break by itself.
func clocks(ctx context.Context, b *bench, t *trials) error {
	s, err := b.base.sit(ctx, setup{})
	if err != nil {
		return err
	}
	calls, volatility, err := b.calls(ctx, s.db)
	s.close()
	if err != nil {
		return err
	}
	var at []int
	for _, c := range calls {
		_, known := clockCalls[c.Name]
		switch {
		case known && c.Via == "" && c.At >= 0:
			at = append(at, c.At)
		case known, volatility[c.Name] == engine.Stable && c.Via != "":
			t.done++
			t.broken = &Break{
				Inputs: -1, Windows: b.windows, File: b.p.File, Line: b.line(c.At),
				Steps: []string{"ask the engine's catalogue about the functions that the SELECT calls"},
				Found: fmt.Sprintf("%s reads the clock (%s); it cannot be moved from outside, so the catalogue's word stands", c.Name, c.Via),
			}
			return nil
		}
	}
	if len(at) == 0 {
		return nil
	}
	var ss []scenario
	for _, now := range append(moments(b.Now), b.Now.AddDate(-1, 0, -1), time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)) {
		ss = append(ss, scenario{
			name:  "the engine's clock at " + now.Format(time.RFC3339),
			steps: []string{"run every window when the engine's clock says " + now.Format(time.RFC3339)},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				moved := func(p twice.Pipeline) *twice.Pipeline { p.SQL = moveClock(p.SQL, at, now); return &p }
				return b.onSitting(ctx, b.base, setup{pipeline: moved}, func(s *sitting) (*Break, error) {
					return s.together(ctx, run.Options{})
				})
			},
		})
	}
	return t.all(ctx, ss)
}

// calls lists what the SELECT calls, also in views, with the catalogue's word on each. An input that is a view is opened
// like one that the SELECT names itself.
func (b *bench) calls(ctx context.Context, d engine.Driver) ([]*engine.Call, map[string]engine.Volatility, error) {
	q, err := d.Parse(ctx, b.p.SQL)
	if err != nil {
		return nil, nil, err
	}
	calls := q.Calls
	for i := range b.p.Inputs {
		if b.p.Inputs[i].Table == "" {
			continue
		}
		inner, err := d.Parse(ctx, "select * from "+b.p.Inputs[i].Table)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range inner.Calls {
			if c.Via != "" {
				c.At = -1 // an offset in another text
				calls = append(calls, c)
			}
		}
	}
	var names []string
	for _, c := range calls {
		names = append(names, c.Name)
	}
	volatility, err := d.Volatility(ctx, names)
	return calls, volatility, err
}

// moveClock replaces the calls at the given offsets by a time.
func moveClock(sql string, at []int, now time.Time) string {
	var b strings.Builder
	last := 0
	for i := range sql {
		if i < last {
			continue
		}
		for _, a := range at {
			m := callText.FindStringSubmatch(sql[i:])
			if a != i || m == nil {
				continue
			}
			kind := clockCalls[strings.ToLower(m[1])]
			layout := map[string]string{"DATE": time.DateOnly, "TIMESTAMP": time.DateTime}[kind]
			if layout == "" {
				layout = "2006-01-02 15:04:05+00"
			}
			b.WriteString(sql[last:i])
			fmt.Fprintf(&b, "(%s '%s')", kind, now.UTC().Format(layout))
			last = i + len(m[0])
			break
		}
	}
	b.WriteString(sql[last:])
	return b.String()
}

// line is the line of p's file at an offset of its SQL.
func (b *bench) line(at int) int {
	if at < 0 {
		return b.p.Line
	}
	return b.p.Line + strings.Count(b.p.SQL[:min(at, len(b.p.SQL))], "\n")
}
