package project

import (
	"regexp"
	"strings"

	"github.com/twice-data/twice"
)

const headerMark = "@twice"

// headerEnd finds the end of a header: */ at the start or the end of a line or after a space, so that a glob such as
// "landing/**/*.csv" does not end it.
var headerEnd = regexp.MustCompile(`(?m)(?:^|[ \t])\*/|\*/[ \t]*$`)

// split cuts a file into its header's YAML and its SQL.
func split(file, text string) (parts, *twice.Error) {
	trimmed := strings.TrimLeft(text, " \t\n")
	before := strings.Count(text[:len(text)-len(trimmed)], "\n")
	inside, ok := strings.CutPrefix(trimmed, "/*")
	yaml := strings.TrimLeft(inside, " \t\n")
	if !ok || !strings.HasPrefix(yaml, headerMark) {
		e := twice.Errorf("no-header", "the file does not begin with a header /* %s … */", headerMark).
			At(file, before+1)
		if i := strings.Index(text, headerMark); i >= 0 {
			e.Line = 1 + strings.Count(text[:i], "\n")
			return parts{}, e.WithNext("move the header to the top of the file")
		}
		return parts{}, e.WithNext("begin the file with /* %s write: overwrite */; further keys on lines of their own",
			headerMark)
	}
	before += strings.Count(inside[:len(inside)-len(yaml)], "\n")
	yaml = yaml[len(headerMark):]
	end := headerEnd.FindStringIndex(yaml)
	if end == nil {
		return parts{}, twice.Errorf("no-header", "the header does not end").At(file, before+1).
			WithNext("end it with a line that is only */")
	}
	rest := yaml[end[1]:]
	sql := strings.TrimLeft(rest, " \t\n")
	skipped := strings.Count(yaml[:end[1]], "\n") + strings.Count(rest[:len(rest)-len(sql)], "\n")
	return parts{yaml[:end[0]], before, sql, before + 1 + skipped}, nil
}

type parts struct {
	yaml   string
	before int // lines of the file before the YAML's first
	sql    string
	line   int // of the file on which sql starts
}
