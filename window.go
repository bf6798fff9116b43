package twice

import (
	"fmt"
	"time"
)

// Grain is the length of a pipeline's windows.
type Grain string

// The grains. Week is the ISO week, from Monday. None is the whole table: one window without bounds.
const (
	Hour  Grain = "hour"
	Day   Grain = "day"
	Week  Grain = "week"
	Month Grain = "month"
	Year  Grain = "year"
	None  Grain = "none"
)

// Grains lists them from short to long, as they are written in a header.
var Grains = []Grain{Hour, Day, Week, Month, Year, None}

// Window is the half-open interval [Start, End) in UTC. The zero Window is the whole table.
type Window struct {
	Start, End time.Time
}

// IsWhole says that w has no bounds: the window of a pipeline with "window: none".
func (w Window) IsWhole() bool { return w.Start.IsZero() && w.End.IsZero() }

// Contains says whether t lies in [Start, End); everything lies in the whole window.
func (w Window) Contains(t time.Time) bool {
	return w.IsWhole() || (!t.Before(w.Start) && t.Before(w.End))
}

// Overlaps says whether w and v share an instant. The whole window overlaps everything.
func (w Window) Overlaps(v Window) bool {
	return w.IsWhole() || v.IsWhole() || (w.Start.Before(v.End) && v.Start.Before(w.End))
}

// String is "2020-03-01" for a UTC day, "[start, end)" in RFC 3339 otherwise, and "whole table" without bounds.
func (w Window) String() string {
	if w.IsWhole() {
		return "whole table"
	}
	if isMidnight(w.Start) && w.Start.AddDate(0, 0, 1).Equal(w.End) {
		return w.Start.Format(time.DateOnly)
	}
	return fmt.Sprintf("[%s, %s)", formatBound(w.Start), formatBound(w.End))
}

// Key is a window's identity in the ledger and in maps: its two bounds in RFC 3339, or "" for the whole table.
func (w Window) Key() string {
	if w.IsWhole() {
		return ""
	}
	key := make([]byte, 0, len("2006-01-02T15:04:05Z/2006-01-02T15:04:05Z"))
	key = w.Start.UTC().AppendFormat(key, time.RFC3339)
	key = append(key, '/')
	return string(w.End.UTC().AppendFormat(key, time.RFC3339))
}

func isMidnight(t time.Time) bool {
	return t.Equal(t.Truncate(24 * time.Hour))
}

func formatBound(t time.Time) string {
	if isMidnight(t) {
		return t.UTC().Format(time.DateOnly)
	}
	return t.UTC().Format("2006-01-02T15:04Z07:00")
}

// Calendar cuts time into the windows of one pipeline. Windows follow the wall clock of Zone, so that a day there may
// have 23 or 25 hours; their bounds are kept in UTC. The zero Zone is UTC.
type Calendar struct {
	Grain Grain
	Zone  *time.Location
	Begin time.Time // the first window is the one that contains Begin
	End   time.Time // no window ends after End; zero: no limit
}

// Floor is the start of the window that contains t.
func (c Calendar) Floor(t time.Time) time.Time {
	zone := c.zone()
	l := t.In(zone)
	var start time.Time
	switch c.Grain {
	case Hour:
		return floorHour(l)
	case Day:
		start = midnight(l.Year(), l.Month(), l.Day(), zone)
	case Week:
		back := (int(l.Weekday()) + 6) % 7 // days since Monday
		start = midnight(l.Year(), l.Month(), l.Day()-back, zone)
	case Month:
		start = midnight(l.Year(), l.Month(), 1, zone)
	case Year:
		start = midnight(l.Year(), time.January, 1, zone)
	default:
		return time.Time{}
	}
	// A clock that goes back over midnight shows the old day once more: that hour belongs to the new day's window.
	if next := c.Next(start); !t.Before(next) {
		return next
	}
	return start
}

// Next is the start of the window after the one that starts at start.
func (c Calendar) Next(start time.Time) time.Time {
	zone := c.zone()
	l := start.In(zone)
	switch c.Grain {
	case Hour:
		return nextHour(l)
	case Day:
		return midnight(l.Year(), l.Month(), l.Day()+1, zone)
	case Week:
		back := (int(l.Weekday()) + 6) % 7 // 0 unless the zone skipped Monday
		return midnight(l.Year(), l.Month(), l.Day()-back+7, zone)
	case Month:
		return midnight(l.Year(), l.Month()+1, 1, zone)
	case Year:
		return midnight(l.Year()+1, time.January, 1, zone)
	default:
		return time.Time{}
	}
}

// Until lists the windows from Begin on that have ended at now: the last one is the last complete window. Without a
// grain it is the whole table.
func (c Calendar) Until(now time.Time) []Window {
	return c.Range(c.Floor(c.Begin), now)
}

// Range lists, in order, the windows that lie inside [from, to) and inside the pipeline's own bounds.
func (c Calendar) Range(from, to time.Time) []Window {
	if c.Grain == None {
		return []Window{{}}
	}
	first := c.Floor(c.Begin)
	if from.After(first) {
		first = c.Floor(from)
		if first.Before(from) {
			first = c.Next(first)
		}
	}
	if !c.End.IsZero() && c.End.Before(to) {
		to = c.End
	}
	var ws []Window
	for start := first; ; {
		end := c.Next(start)
		if end.After(to) {
			return ws
		}
		ws = append(ws, Window{Start: start, End: end})
		start = end
	}
}

// Overlapping lists, in order, the windows that share an instant with w and lie inside the pipeline's own bounds; none
// for the whole window, which has no last one. Without a grain it is the whole table.
func (c Calendar) Overlapping(w Window) []Window {
	if c.Grain == None {
		return []Window{{}}
	}
	start := c.Floor(w.Start)
	if first := c.Floor(c.Begin); start.Before(first) {
		start = first
	}
	var ws []Window
	for start.Before(w.End) {
		end := c.Next(start)
		if !c.End.IsZero() && end.After(c.End) {
			break
		}
		ws = append(ws, Window{Start: start, End: end})
		start = end
	}
	return ws
}

func (c Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// midnight is the first instant, in UTC, at which the clock of zone shows the given day or a later one. Where the clock
// skips midnight, or the whole day, the window starts at the skip; where it shows midnight twice, at the first one.
func midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if zone == time.UTC {
		return wall
	}
	for t := wall.Add(-26 * time.Hour).In(zone); ; { // no zone's midnight is so far ahead of UTC's
		_, offset := t.Zone()
		begin, end := t.ZoneBounds()
		start := wall.Add(-time.Duration(offset) * time.Second)
		if start.Before(begin) {
			return begin.UTC()
		}
		if end.IsZero() || start.Before(end) {
			return start
		}
		t = end
	}
}

// floorHour is where the zone's clock showed the last full hour: not l.Truncate(time.Hour), because a zone's offset need
// not be a whole number of hours. A change of the offset by half an hour starts a window as well, so that the window
// before or after it is shorter.
func floorHour(l time.Time) time.Time {
	shift := hourShift(l)
	start := l.UTC().Add(shift).Truncate(time.Hour).Add(-shift)
	if begin, _ := l.ZoneBounds(); start.Before(begin) && hourShift(begin.Add(-1)) != shift {
		return begin.UTC()
	}
	return start
}

func nextHour(l time.Time) time.Time {
	shift := hourShift(l)
	next := l.UTC().Add(shift).Truncate(time.Hour).Add(time.Hour - shift)
	if _, end := l.ZoneBounds(); !end.IsZero() && next.After(end) && hourShift(end) != shift {
		return end.UTC()
	}
	return next
}

// hourShift is the part of the zone's offset beyond whole hours.
func hourShift(l time.Time) time.Duration {
	_, offset := l.Zone()
	return time.Duration(offset%3600) * time.Second
}
