package engine

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a table of examples, so that it fits a terminal and a log line.
const (
	maxExamples = 5
	maxColumns  = 8
	maxCell     = 24
)

// examples shows up to five rows of a query as a small table, indented by four blanks.
func (s *Session) examples(ctx context.Context, query string) (string, error) {
	var table [][]string
	err := s.Query(ctx, "examples", fmt.Sprintf("SELECT * FROM (\n%s\n) AS e ORDER BY 1 LIMIT %d", query, maxExamples),
		func(rows *sql.Rows) error {
			cols, err := rows.Columns()
			if err != nil {
				return err
			}
			values := make([]any, len(cols))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				return err
			}
			if table == nil {
				table = append(table, cells(cols))
			}
			texts := make([]string, len(values))
			for i, v := range values {
				texts[i] = text(*v.(*any))
			}
			table = append(table, cells(texts))
			return nil
		})
	return align(table), err
}

// cells shortens a row to what a table of examples shows.
func cells(row []string) []string {
	var short []string
	for i, c := range row {
		if i == maxColumns {
			return append(short, "…")
		}
		c = strings.Map(func(r rune) rune {
			if r < ' ' {
				return '␣'
			}
			return r
		}, c)
		if utf8.RuneCountInString(c) > maxCell {
			c = string([]rune(c)[:maxCell-1]) + "…"
		}
		short = append(short, c)
	}
	return short
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.UTC().Format(time.DateOnly)
		}
		return v.UTC().Format("2006-01-02 15:04:05.999999")
	default:
		return fmt.Sprint(v)
	}
}

func align(table [][]string) string {
	var widths []int
	for _, row := range table {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, len(table))
	for i, row := range table {
		var b strings.Builder
		b.WriteString("    ")
		for j, c := range row {
			b.WriteString(c)
			b.WriteString(strings.Repeat(" ", widths[j]-utf8.RuneCountInString(c)+2))
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return strings.Join(lines, "\n")
}
