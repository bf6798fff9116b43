package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice"
)

// Explain turns DuckDB's error into an Error with a code; see engine.Driver. Input that does not read as it should is
// "bad-input". A cancelled context stays recognisable with errors.Is.
func (d *Driver) Explain(err error) error { return explain(err) }

func explain(err error) error {
	var known *twice.Error
	var many twice.Errors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &many):
		return err
	}
	e := classify(err)
	e.Err = err
	return e
}

// duckdbText is what DuckDB said, without what the layers above it put in front.
func duckdbText(err error) string {
	var from *duckdb.Error
	if errors.As(err, &from) {
		return from.Msg
	}
	return err.Error()
}

func classify(err error) *twice.Error {
	text := duckdbText(err)
	var from *duckdb.Error
	fromDuckDB := errors.As(err, &from)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), has("INTERRUPT Error"):
		return twice.Errorf("interrupted", "the statement was interrupted")
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone):
		return twice.Errorf("connection-lost", "the connection to the database is closed")
	case has("No space left on device", "max_temp_directory_size"):
		return twice.Errorf("disk-full", "no space left for the database: %s", firstLine(text)).
			WithNext("free some space where the database is, then run the same command again")
	case has("Read-only file system", "read-only mode", "read-only database"):
		return twice.Errorf("read-only", "the database cannot be written: %s", firstLine(text)).
			WithNext("give the target a path that can be written")
	case has("Permission denied"):
		return twice.Errorf("permission", "%s", firstLine(text))
	case has("Conflict on", "write-write conflict", "Transaction conflict", "cannot update a table that has been altered",
		"another transaction has"):
		return twice.Errorf("serialization", "another transaction changed the same rows: %s", firstLine(text))
	case has("has been invalidated because of a previous fatal error"):
		return twice.Errorf("connection-lost", "the database must be opened again: %s", firstLine(text)).
			WithNext("run the same command again")
	}
	if e := explainLock(text); e != nil {
		return e
	}
	if e := explainInput(text); e != nil {
		return e
	}
	if fromDuckDB && !strings.HasPrefix(text, "INTERNAL Error") {
		return statementError(text)
	}
	return twice.Errorf("internal", "%s", firstLine(text))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

var lineHint = regexp.MustCompile(`(?m)^LINE (\d+): .*$(\n\s*\^)?`)

// statementError keeps the first lines and the hint that shows the place. Line counts in the statement that was run.
func statementError(text string) *twice.Error {
	head := lineHint.ReplaceAllString(text, "")
	head, _, _ = strings.Cut(head, "\nStack Trace")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	if len(lines) > 3 {
		lines = lines[:3]
	}
	message := strings.TrimSpace(strings.Join(lines, "\n"))
	e := &twice.Error{Code: "sql", Message: message}
	if m := lineHint.FindStringSubmatch(text); m != nil {
		e.Message += "\n" + m[0]
		e.Line, _ = strconv.Atoi(m[1]) // digits by the pattern; one that overflows is no line
	}
	return e
}

// raised marks the errors that a view over an input raises by itself.
const raised = "bad input: "

var (
	csvLine    = regexp.MustCompile(`CSV Error on Line: (\d+)`)
	csvFile    = regexp.MustCompile(`(?m)^\s*file = (.*)$`)
	sniffError = regexp.MustCompile(`Error when sniffing file "([^"]*)"`)
	jsonFile   = regexp.MustCompile(`((?:Malformed JSON|JSON transform error) in file "[^"]*",.*)`)
	otherInput = regexp.MustCompile(`(?i)^(IO|Invalid Input) Error.*(parquet|magic bytes|TProtocol|snappy|zstd|gzip|brotli)`)
)

// explainInput recognises that the bytes of an input are to blame, and makes one or two lines of DuckDB's many.
func explainInput(text string) *twice.Error {
	if _, message, ok := strings.Cut(text, raised); ok {
		return twice.Errorf("bad-input", "%s", firstLine(message))
	}
	if m := csvLine.FindStringSubmatch(text); m != nil {
		file := "a CSV file"
		if f := csvFile.FindStringSubmatch(text); f != nil {
			file = f[1]
		}
		line, reason := csvReason(text)
		return twice.Errorf("bad-input", "%s, line %s: %s\nthe line is: %s", file, m[1], reason, line).
			WithNext("mend the file, or say how to read it: delimiter, quote, nulls, or the column's type under columns:")
	}
	if m := sniffError.FindStringSubmatch(text); m != nil {
		return twice.Errorf("bad-input", "%s: its lines do not all have the same number of columns", m[1]).
			WithNext("set delimiter, quote and escape of the input, or mend the file")
	}
	if m := jsonFile.FindStringSubmatch(text); m != nil {
		return twice.Errorf("bad-input", "%s", strings.TrimSpace(m[1]))
	}
	if otherInput.MatchString(text) {
		return twice.Errorf("bad-input", "%s", firstLine(text))
	}
	return nil
}

// csvReason picks the line itself and what is wrong with it.
func csvReason(text string) (line, reason string) {
	var reasons []string
	for l := range strings.SplitSeq(text, "\n") {
		l = strings.TrimSpace(l)
		original, isOriginal := strings.CutPrefix(l, "Original Line: ")
		switch {
		case isOriginal:
			line = shorten(original)
		case strings.Contains(l, "CSV Error on Line"):
		case l == "", strings.HasPrefix(l, "Possible"), strings.HasPrefix(l, "Column "):
			return line, strings.Join(reasons, " ")
		default:
			reasons = append(reasons, l)
		}
	}
	return line, strings.Join(reasons, " ")
}

// shorten cuts a line of data to what fits into a message.
func shorten(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
