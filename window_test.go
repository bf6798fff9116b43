package twice

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// Zones whose clocks do everything that clocks do: change at midnight, skip it, show it twice, move by half an hour, skip
// a whole day, sit 15 or 45 minutes beside the hour, go back over midnight.
var oddZones = []string{
	"UTC", "Europe/Rome", "America/New_York", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe",
	"Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo", "Asia/Beirut", "Pacific/Kiritimati",
	"Antarctica/Troll", "Asia/Tehran", "Atlantic/Azores",
}

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func instant(t string) time.Time {
	at, err := time.Parse(time.RFC3339, t)
	if err != nil {
		panic(err)
	}
	return at
}

func drawCalendar(t *rapid.T) Calendar {
	return Calendar{
		Grain: rapid.SampledFrom([]Grain{Hour, Day, Week, Month, Year}).Draw(t, "grain"),
		Zone:  zone(t, rapid.SampledFrom(oddZones).Draw(t, "zone")),
		Begin: drawInstant(t, "begin"),
	}
}

// drawInstant draws instants near changes of some clock as often as others.
func drawInstant(t *rapid.T, label string) time.Time {
	near := rapid.SampledFrom([]string{
		"1995-01-01T00:00:00Z", "2019-03-10T05:00:00Z", "2019-11-03T05:00:00Z", "2018-11-04T03:00:00Z",
		"2011-12-30T10:00:00Z", "2006-10-29T02:31:00Z", "2019-04-06T15:00:00Z", "2019-10-05T15:30:00Z",
		"2022-03-26T22:00:00Z", "2023-10-29T01:00:00Z", "2024-02-29T00:00:00Z",
	}).Draw(t, label+" near")
	return instant(near).Add(time.Duration(rapid.Int64Range(-100_000, 100_000).Draw(t, label+" seconds")) * time.Second)
}

func TestFloorAndNextAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		at := drawInstant(t, "at")
		start := c.Floor(at)
		end := c.Next(start)
		if at.Before(start) || !at.Before(end) {
			t.Fatalf("%s is not in its window [%s, %s)", at, start, end)
		}
		if again := c.Floor(start); !again.Equal(start) {
			t.Fatalf("Floor(%s) = %s: not idempotent", start, again)
		}
		if last := c.Floor(end.Add(-1)); !last.Equal(start) {
			t.Fatalf("the last instant before %s belongs to the window of %s, not of %s", end, last, start)
		}
		if next := c.Floor(end); !next.Equal(end) {
			t.Fatalf("Floor(%s) = %s: the next window does not start where this one ends", end, next)
		}
	})
}

func TestRangeTiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		from := drawInstant(t, "from")
		to := from.Add(time.Duration(rapid.Int64Range(0, 40*24).Draw(t, "hours")) * time.Hour)
		if rapid.Bool().Draw(t, "ends") {
			c.End = drawInstant(t, "end")
		}
		ws := c.Range(from, to)
		for i, w := range ws {
			if w.Start.Before(from) || w.End.After(to) {
				t.Fatalf("%s is not inside [%s, %s)", w.Key(), from, to)
			}
			if w.Start.Before(c.Floor(c.Begin)) || (!c.End.IsZero() && w.End.After(c.End)) {
				t.Fatalf("%s is outside of the pipeline's bounds", w.Key())
			}
			if i > 0 && !ws[i-1].End.Equal(w.Start) {
				t.Fatalf("gap or overlap between %s and %s", ws[i-1].Key(), w.Key())
			}
			if w.Start.Location() != time.UTC || w.End.Location() != time.UTC {
				t.Fatalf("%s is not in UTC", w.Key())
			}
		}
		// No window that lies inside is left out: the neighbours on both sides stick out.
		if len(ws) == 0 {
			return
		}
		first, last := ws[0], ws[len(ws)-1]
		before := c.Floor(first.Start.Add(-1))
		if !before.Before(from) && !before.Before(c.Floor(c.Begin)) {
			t.Fatalf("the window that starts at %s is left out", before)
		}
		if after := c.Next(last.End); !after.After(to) && (c.End.IsZero() || !after.After(c.End)) {
			t.Fatalf("the window that ends at %s is left out", after)
		}
	})
}

func TestOverlappingIsWhatOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		start := drawInstant(t, "start")
		w := Window{start, start.Add(time.Duration(rapid.Int64Range(1, 80).Draw(t, "hours")) * time.Hour)}
		if rapid.Bool().Draw(t, "ends") {
			c.End = drawInstant(t, "end")
		}
		var want []string
		for _, v := range c.Range(w.Start.AddDate(-2, 0, 0), w.End.AddDate(2, 0, 0)) {
			if v.Overlaps(w) {
				want = append(want, v.Key())
			}
		}
		var got []string
		for _, v := range c.Overlapping(w) {
			got = append(got, v.Key())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("windows that overlap %s are %v, want %v", w.Key(), got, want)
		}
	})
}

func TestWindowBounds(t *testing.T) {
	for _, test := range []struct {
		grain      Grain
		zone       string
		at         string
		start, end string
		why        string
	}{
		{Day, "Europe/Rome", "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z", "23 hours"},
		{Day, "Europe/Rome", "2024-10-27T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z", "25 hours"},
		{Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", "no midnight"},
		{Day, "America/Havana", "2019-11-03T12:00:00Z", "2019-11-03T04:00:00Z", "2019-11-04T05:00:00Z", "two midnights"},
		{Day, "Pacific/Apia", "2011-12-30T05:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "before a day that is not"},
		{Day, "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", "after a day that is not"},
		{Hour, "Asia/Kathmandu", "2024-01-01T00:00:00Z", "2023-12-31T23:15:00Z", "2024-01-01T00:15:00Z", "45 minutes"},
		{Hour, "Australia/Lord_Howe", "2019-10-05T15:40:00Z", "2019-10-05T15:30:00Z", "2019-10-05T16:00:00Z", "half an hour forward"},
		{Hour, "Australia/Lord_Howe", "2019-04-06T15:10:00Z", "2019-04-06T15:00:00Z", "2019-04-06T15:30:00Z", "half an hour back"},
		{Hour, "Europe/Rome", "2024-10-27T00:30:00Z", "2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z", "2:30 the first time"},
		{Week, "UTC", "2024-01-07T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-08T00:00:00Z", "Sunday ends the ISO week"},
		{Week, "UTC", "2021-01-01T00:00:00Z", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z", "week 53"},
		{Month, "UTC", "2024-02-29T10:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", "leap day"},
		{Year, "America/New_York", "2024-01-01T00:00:00Z", "2023-01-01T05:00:00Z", "2024-01-01T05:00:00Z", "still last year there"},
	} {
		t.Run(test.why, func(t *testing.T) {
			c := Calendar{Grain: test.grain, Zone: zone(t, test.zone)}
			start := c.Floor(instant(test.at))
			end := c.Next(start)
			if !start.Equal(instant(test.start)) || !end.Equal(instant(test.end)) {
				t.Errorf("window of %s is [%s, %s), want [%s, %s)", test.at,
					start.Format(time.RFC3339), end.Format(time.RFC3339), test.start, test.end)
			}
		})
	}
}

func TestUntilIsTheLastCompleteWindow(t *testing.T) {
	c := Calendar{Grain: Day, Begin: instant("2020-03-01T06:00:00Z")}
	ws := c.Until(instant("2020-03-03T23:59:59Z"))
	if len(ws) != 2 || ws[0].String() != "2020-03-01" || ws[1].String() != "2020-03-02" {
		t.Errorf("windows are %v, want 2020-03-01 and 2020-03-02", ws)
	}
	if ws := (Calendar{Grain: None}).Until(instant("2020-03-03T00:00:00Z")); len(ws) != 1 || !ws[0].IsWhole() {
		t.Errorf("without a grain the windows are %v, want the whole table", ws)
	}
}

func TestWindowSets(t *testing.T) {
	day := Window{instant("2020-03-01T00:00:00Z"), instant("2020-03-02T00:00:00Z")}
	next := Window{day.End, day.End.AddDate(0, 0, 1)}
	if !day.Contains(day.Start) || day.Contains(day.End) || !(Window{}).Contains(day.End) {
		t.Error("a window holds its start and not its end; the whole table holds everything")
	}
	if day.Overlaps(next) || !day.Overlaps(day) || !day.Overlaps(Window{}) || !(Window{}).Overlaps(day) {
		t.Error("neighbours share no instant; a window overlaps itself and the whole table")
	}
	if got := day.Key(); got != "2020-03-01T00:00:00Z/2020-03-02T00:00:00Z" {
		t.Errorf("key is %q", got)
	}
	if (Window{}).Key() != "" || (Window{}).String() != "whole table" {
		t.Error("the whole table's key is empty")
	}
	hour := Window{day.Start, day.Start.Add(time.Hour)}
	if got := hour.String(); got != "[2020-03-01, 2020-03-01T01:00Z)" {
		t.Errorf("an hour is shown as %q", got)
	}
}

func BenchmarkRange(b *testing.B) {
	c := Calendar{Grain: Hour, Zone: zone(b, "Europe/Rome"), Begin: instant("2010-01-01T00:00:00Z")}
	for b.Loop() {
		if n := len(c.Until(instant("2021-06-01T00:00:00Z"))); n < 100_000 {
			b.Fatal(n)
		}
	}
}
