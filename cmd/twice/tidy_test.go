package main

import "regexp"

// changing are the parts of the output that differ from run to run or from machine to machine.
var changing = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`\b\d{8}T\d{6}-[0-9a-f]{8}\b`), "RUN"},
	{regexp.MustCompile(`"seconds":[0-9.e-]+`), `"seconds":SECONDS`},
	{regexp.MustCompile(`"(committed_at|started_at|finished_at)":"[^"]*"`), `"$1":"TIME"`},
	{regexp.MustCompile(`\b20[2-9]\d-\d\d-\d\d \d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`), "DURATION"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "FINGERPRINT"},
}

// tidy replaces them by words.
func tidy(text string) string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.word)
	}
	return text
}
