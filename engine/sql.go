package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/twice-data/twice"
)

// Ident quotes an identifier.
func Ident(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// Idents quotes identifiers and joins them with commas, each behind "alias." unless alias is empty.
func Idents(alias string, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = column(alias, name)
	}
	return strings.Join(quoted, ", ")
}

// Name is a table's quoted name, complete, so that no temporary relation, such as an input of the same name, can stand
// in its way.
func (db *DB) Name(t twice.Table) string {
	if t.Schema == "" {
		return db.Features().Home + "." + Ident(t.Name)
	}
	return Ident(t.Schema) + "." + Ident(t.Name)
}

// Literal quotes a string.
func Literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func column(alias, name string) string {
	if alias == "" {
		return Ident(name)
	}
	return alias + "." + Ident(name)
}

// names lists the columns' names.
func names(cols []twice.Column) []string {
	ns := make([]string, len(cols))
	for i, c := range cols {
		ns[i] = c.Name
	}
	return ns
}

// find looks a column up by name, as both engines do when names are not quoted: without regard to case.
func find(cols []twice.Column, name string) (twice.Column, bool) {
	for _, c := range cols {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return twice.Column{}, false
}

// timeKind is how a time column is compared with a window's bounds.
type timeKind int

const (
	notTime     timeKind = iota
	dateKind             // DATE: the calendar of the pipeline's zone
	naiveKind            // TIMESTAMP: UTC
	instantKind          // TIMESTAMP WITH TIME ZONE
)

func kindOf(typeName string) timeKind {
	t := strings.ToUpper(typeName)
	switch {
	case t == "DATE":
		return dateKind
	case strings.HasPrefix(t, "TIMESTAMPTZ"), strings.HasPrefix(t, "TIMESTAMP") && strings.HasSuffix(t, "WITH TIME ZONE"):
		return instantKind
	case strings.HasPrefix(t, "TIMESTAMP"), t == "DATETIME":
		return naiveKind
	default:
		return notTime
	}
}

// InWindow is the condition that a row lies in w by its time column. Dates are dates of the zone's calendar, timestamps
// without a zone are UTC. The whole window is TRUE.
func InWindow(alias string, col twice.Column, w twice.Window, zone *time.Location) (string, error) {
	if w.IsWhole() {
		return "TRUE", nil
	}
	var literal func(time.Time) string
	switch kindOf(col.Type) {
	case dateKind:
		if zone == nil {
			zone = time.UTC
		}
		start, end := w.Start.In(zone), w.End.In(zone)
		if !startsDay(start) || !startsDay(end) {
			return "", twice.Errorf("time-column-type", "time_column %s is a DATE, which cannot tell the hours of the window %s apart",
				col.Name, w).WithNext("make %s a TIMESTAMP, or use window: day or longer", col.Name)
		}
		literal = func(t time.Time) string { return "DATE '" + t.In(zone).Format(time.DateOnly) + "'" }
	case naiveKind:
		literal = twice.TimestampLiteral
	case instantKind:
		literal = func(t time.Time) string {
			return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
		}
	default:
		return "", twice.Errorf("time-column-type", "time_column %s is a %s; it must be a DATE or a TIMESTAMP", col.Name, col.Type).
			WithNext("cast it in the SELECT: %s::timestamp", col.Name)
	}
	c := column(alias, col.Name)
	return fmt.Sprintf("%s >= %s AND %s < %s", c, literal(w.Start), c, literal(w.End)), nil
}

// startsDay says whether t is the first instant of its day: midnight, or later where the clock skips midnight.
func startsDay(t time.Time) bool {
	return t.Add(-time.Nanosecond).Day() != t.Day()
}
