package project

import (
	"slices"
	"time"
	_ "time/tzdata" // zones must not depend on what a machine has installed

	"github.com/twice-data/twice"
)

func (b *builder) calendar() {
	c := &b.p.Calendar
	c.Grain = twice.Grain(b.h.Window)
	if !b.has("window") {
		c.Grain = twice.None
	}
	c.Zone = b.zone()
	c.Begin = b.date("begin", b.h.Begin, c.Zone)
	c.End = b.date("end", b.h.End, c.Zone)
	if !c.Begin.IsZero() && !c.End.IsZero() && !c.End.After(c.Begin) {
		b.errorf("end", "contradiction", "the end %s is not after begin %s", b.h.End, b.h.Begin).
			WithNext("windows lie between begin and end; write a later end")
	}
	if b.h.Lookback != nil {
		b.p.Lookback = *b.h.Lookback
	}
	if b.h.BatchSize != nil {
		b.p.BatchSize = *b.h.BatchSize
	}
	if b.p.Windowed() {
		if b.grainKnown() && !b.has("begin") {
			b.errorf("window", "missing-key", "windows need a first one: the key \"begin\" is missing").
				WithNext("add a line: begin: 2020-03-01")
		}
		return
	}
	for _, key := range []string{"time_column", "timezone", "begin", "end", "lookback", "batch_size"} {
		if b.has(key) && !(key == "time_column" && b.streaming()) { // it tells readers with windows which of them changed
			b.errorf(key, "contradiction", "it means nothing without windows").
				WithNext("add a line: window: day; or delete %s", key)
		}
	}
}

// grainKnown is false for a window that is already an error, which must not lead to others.
func (b *builder) grainKnown() bool { return slices.Contains(twice.Grains, b.p.Calendar.Grain) }

func (b *builder) zone() *time.Location {
	if !b.has("timezone") {
		return time.UTC
	}
	zone, err := time.LoadLocation(b.h.Timezone)
	if err != nil || b.h.Timezone == "" || b.h.Timezone == "Local" {
		b.errorf("timezone", "unknown-value", "there is no time zone %q", b.h.Timezone).
			WithNext("write a name of the IANA database, such as Europe/Rome")
		return time.UTC
	}
	return zone
}

func (b *builder) date(key, text string, zone *time.Location) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := ParseTime(text, zone)
	if err != nil {
		b.errorf(key, "bad-date", "expected a date, found %q", text).
			WithNext("write 2020-03-01, or with a time and an offset 2020-03-01T06:00:00Z")
	}
	return t
}

// ParseTime reads a date, which is midnight in zone, or an RFC 3339 time.
func ParseTime(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return twice.Calendar{Grain: twice.Day, Zone: zone}.Floor(t.Add(12 * time.Hour)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, twice.Errorf("bad-date", "expected a date, found %q", text).
			WithNext("write 2020-03-01, or with a time and an offset 2020-03-01T06:00:00Z").WithExit(twice.ExitProject)
	}
	return t.UTC(), nil
}
