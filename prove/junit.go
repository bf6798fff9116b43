package prove

import (
	"encoding/xml"
	"fmt"
	"strings"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit is the report in the form that CI systems read: a suite a pipeline, a test a law. Laws that do not apply or were
// not tried are skipped tests.
func JUnit(r *Report) ([]byte, error) {
	all := junitSuites{Name: "twice prove " + r.Project, Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
	for _, s := range r.Subjects {
		suite := junitSuite{Name: s.Pipeline.Name, Tests: len(s.Verdicts)}
		total := 0.0
		for _, v := range s.Verdicts {
			total += v.Took.Seconds()
			c := junitCase{
				Class: s.Pipeline.Name, Name: v.Law.Group + "/" + v.Law.Name, Time: fmt.Sprintf("%.3f", v.Took.Seconds()),
				Out: fmt.Sprintf("%s: %s", v.Law.Promise, counted(v.Trials, "trial")),
			}
			switch v.Outcome {
			case Broken:
				suite.Failures++
				c.Failure = &junitFailure{v.Reason, v.Break.Text() + fmt.Sprintf("\nseed %d\n", r.Seed)}
			case NotApplicable, Untried:
				suite.Skipped++
				c.Skipped = &junitSkipped{strings.ReplaceAll(string(v.Outcome), "_", " ") + ": " + v.Reason}
			}
			suite.Cases = append(suite.Cases, c)
		}
		suite.Time = fmt.Sprintf("%.3f", total)
		all.Suites = append(all.Suites, suite)
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(b, '\n')...), err
}

// Text is the break in some lines: what was done, what differs, and why.
func (br *Break) Text() string {
	var b strings.Builder
	for i, s := range br.Steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s)
	}
	fmt.Fprintf(&b, "windows: %s\n", list(br.Windows))
	if d := br.Diff; d != nil {
		fmt.Fprintf(&b, "%s\n%s\n", d, strings.Join(d.Columns, ", "))
		for _, r := range d.Missing {
			fmt.Fprintf(&b, "missing x%d: %s\n", r.Times, strings.Join(r.Values, ", "))
		}
		for _, r := range d.Extra {
			fmt.Fprintf(&b, "extra x%d: %s\n", r.Times, strings.Join(r.Values, ", "))
		}
	}
	if br.Err != nil {
		fmt.Fprintf(&b, "%s: %s\n", br.Err.Code, br.Err.Message)
	}
	if br.Cause != "" {
		fmt.Fprintf(&b, "likely cause: %s:%d: %s\nnext: %s\n", br.File, br.Line, br.Cause, br.Next)
	}
	return b.String()
}
