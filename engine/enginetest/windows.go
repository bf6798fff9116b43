package enginetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// windowFingerprints holds the fingerprints of many windows, which are computed in one pass, against each window's own.
func windowFingerprints(b *bench) {
	b.start(nil)
	var rows []string
	for i := range 400 {
		at := day1.Add(time.Duration(i*i*i%(5*24*3600)) * time.Second).Format("2006-01-02 15:04:05")
		rows = append(rows, fmt.Sprintf("(%d, TIMESTAMP '%s', TIMESTAMPTZ '%[2]s+00', DATE '%.10[2]s')", i, at))
	}
	rows = append(rows, "(1000, NULL, NULL, NULL)", "(1001, TIMESTAMP 'infinity', TIMESTAMPTZ '-infinity', DATE '2019-01-01')",
		"(1002, TIMESTAMP '2020-03-02', TIMESTAMPTZ '2020-03-02 00:00:00+00', DATE '2020-03-02')",
		"(1003, TIMESTAMP '2020-03-01 23:59:59.999999', TIMESTAMPTZ '2020-03-01 23:59:59.999999+00', DATE '2020-03-01')")
	b.exec("CREATE TABLE " + b.db.Name(twice.Table{Name: "t"}) + " AS " + values("n, ts, tz, d", rows...))
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		column string
		grain  twice.Grain
		zone   *time.Location
	}{
		{"ts", twice.Hour, nil}, {"ts", twice.Day, nil}, {"tz", twice.Hour, nil}, {"tz", twice.Day, kolkata}, {"ts", twice.Day, kolkata},
		{"d", twice.Day, nil}, {"d", twice.Day, kolkata}, {"tz", twice.Week, nil},
	} {
		p := &twice.Pipeline{Name: "t", Table: twice.Table{Name: "t"}, TimeColumn: c.column, Calendar: twice.Calendar{Grain: c.grain, Zone: c.zone}}
		ws := p.Calendar.Range(p.Calendar.Floor(day1), day1.AddDate(0, 0, 8))
		slices.Reverse(ws)
		got, err := b.s.WindowFingerprints(b.ctx, p, ws, nil)
		if err != nil {
			b.Fatal(err)
		}
		filled := 0
		for _, w := range ws {
			want, err := b.s.TableFingerprint(b.ctx, p, w, nil)
			if err != nil {
				b.Fatal(err)
			}
			if got[w.Key()] != want {
				b.Errorf("%s by %s in %v: window %s has %v, in one pass %v", c.column, c.grain, c.zone, w, want, got[w.Key()])
			}
			if want.Rows > 0 {
				filled++
			}
		}
		if filled == 0 {
			b.Errorf("%s by %s: no window has rows", c.column, c.grain)
		}
	}
	hours := twice.Calendar{Grain: twice.Hour}.Range(day1, day1.Add(3*time.Hour))
	p := &twice.Pipeline{Name: "t", Table: twice.Table{Name: "t"}, TimeColumn: "d"}
	if _, err := b.s.WindowFingerprints(b.ctx, p, hours, nil); twice.AsError(err).Code != "time-column-type" {
		b.Errorf("the hours of a DATE: %v", err)
	}
}

// mergeAdds writes rows without a key, as a stream does whose offsets tell what was written, and refuses anybody else.
func mergeAdds(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, n", "(1, 1)", "(1, 1)"))
	b.refused("no-key", p)
	var last *engine.Outcome
	for range 2 {
		j := job(p)
		j.Final = true
		if last != nil {
			j.Known = last.Columns
		}
		o, err := b.s.Write(b.ctx, j)
		if err != nil {
			b.Fatal(err)
		}
		if o.Windows[0].Changed != 2 || o.Windows[0].Fingerprint.Rows != 2 || o.Table.Delta != o.Windows[0].Fingerprint {
			b.Errorf("two rows were added: %+v, %+v", o.Windows[0], o.Table)
		}
		last = o
	}
	b.want("SELECT count(*), CAST(sum(n) AS BIGINT) FROM t", "4|4")
	if whole := b.fingerprint(p); whole != last.Table.Delta.Add(last.Table.Delta) {
		b.Errorf("the table's fingerprint is %v, the rows' are %v each", whole, last.Table.Delta)
	}
}
