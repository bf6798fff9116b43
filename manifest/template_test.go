package manifest

import (
	"errors"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func day(s string) twice.Window {
	start, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return twice.Window{Start: start, End: start.AddDate(0, 0, 1)}
}

func TestTemplateExpands(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	romeDay := twice.Window{
		Start: time.Date(2020, 3, 1, 23, 0, 0, 0, time.UTC), End: time.Date(2020, 3, 2, 23, 0, 0, 0, time.UTC),
	}
	env := func(name string) (string, bool) { return "/data[1]", name == "DATA" }
	for _, c := range []struct {
		path   string
		window twice.Window
		zone   *time.Location
		want   string
	}{
		{"landing/{start:%m-%d-%Y}.csv", day("2020-03-01"), time.UTC, "landing/03-01-2020.csv"},
		{"{start:%Y%m%d}-{end:%Y%m%d}.csv", day("2020-02-29"), time.UTC, "20200229-20200301.csv"},
		{"{start:%Y-%m-%d}.csv", romeDay, rome, "2020-03-02.csv"},
		{"{start:%Y-%m-%dT%H}.csv", romeDay, time.UTC, "2020-03-01T23.csv"},
		{"{start:%G-W%V/%u_%j_%y_%b}", day("2021-01-01"), time.UTC, "2020-W53/5_001_21_Jan"},
		{"{start:%Y}/*.csv", day("2020-03-01"), time.UTC, "2020/*.csv"},
		{"{start:*%d}.csv", day("2020-03-01"), time.UTC, "*01.csv"},
		{"{start:*%d}?.csv", day("2020-03-01"), time.UTC, `\*01?.csv`},
		{"${DATA}/x.csv", twice.Window{}, time.UTC, "/data[1]/x.csv"},
		{"${DATA}/x*.csv", twice.Window{}, time.UTC, `/data\[1\]/x*.csv`},
		{"{a,b}{}.csv", twice.Window{}, time.UTC, "{a,b}{}.csv"},
		{"{a,b}*.csv", twice.Window{}, time.UTC, `\{a,b\}*.csv`},
		{`a\*.csv`, twice.Window{}, time.UTC, "a*.csv"},
	} {
		template, err := ParsePath(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		got, err := template.expand(c.window, c.zone, env)
		if err != nil || got != c.want {
			t.Errorf("%s in %s: %q, %v; want %q", c.path, c.window, got, err, c.want)
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	for path, next := range map[string]string{
		"":                         "",
		"a\x00b":                   "",
		"s3://bucket/x.csv":        "give a local path; bytes from elsewhere come in through http: or command:",
		"{start:%Q}.csv":           "use the verbs of strftime, such as %Y %m %d %H %j %G %V",
		"{start:%Y-%}.csv":         "use the verbs of strftime, such as %Y %m %d %H %j %G %V",
		"{start}.csv":              "write {start:%Y-%m-%d}",
		"{end:}.csv":               "write {end:%Y-%m-%d}",
		"{start:%Y.csv":            "",
		"{strat:%Y}.csv":           "write {start:%Y} or {end:%Y}",
		"${1X}/a.csv":              "",
		"${HOME":                   "",
		"{start:%Y}/x[ab.csv":      "close every [ or put a backslash before it",
		"reports/{begin:%Y-%m}.gz": "write {start:%Y-%m} or {end:%Y-%m}",
	} {
		_, err := ParsePath(path)
		var e *twice.Error
		if !errors.As(err, &e) || e.Code != "bad-path" || e.Exit != twice.ExitProject || e.Next != next {
			t.Errorf("%q: %#v", path, err)
		}
	}
}

func TestTemplateNeedsWindowAndVariables(t *testing.T) {
	template, err := ParsePath("{start:%Y}.csv")
	if err != nil || !template.Windowed() {
		t.Fatal(err)
	}
	_, err = template.expand(twice.Window{}, time.UTC, nil)
	wantCode(t, err, "no-window")
	if template, err = ParsePath("${NOWHERE}/a.csv"); err != nil || template.Windowed() {
		t.Fatal(err)
	}
	_, err = template.expand(twice.Window{}, time.UTC, nil)
	wantCode(t, err, "missing-variable")
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"a/{start:%Y-%m-%d}.csv", "{end:%j}*", "${A}/[a-z]/**", `\{\`, "{start:%", "{a,b}", "${", "*{["} {
		f.Add(s)
	}
	w := day("2020-03-01")
	env := func(string) (string, bool) { return "v*", true }
	f.Fuzz(func(t *testing.T, path string) {
		template, err := ParsePath(path)
		if err != nil {
			wantCode(t, err, "bad-path")
			return
		}
		if _, err := template.expand(w, time.UTC, env); err != nil {
			t.Fatalf("%q was taken and does not expand: %v", path, err)
		}
		whole, err := template.expand(twice.Window{}, time.UTC, env)
		if (err != nil) != template.Windowed() {
			t.Fatalf("%q windowed %v, without a window %q, %v", path, template.Windowed(), whole, err)
		}
	})
}

// wantCode holds an error's code against code; "" wants no error.
func wantCode(t *testing.T, err error, code string) *twice.Error {
	t.Helper()
	var e *twice.Error
	switch {
	case err == nil && code == "":
		return nil
	case !errors.As(err, &e) || e.Code != code:
		t.Fatalf("error %v; want the code %q", err, code)
	case e.Next == "" && code != "bad-path":
		t.Errorf("%q does not say what to do next", e.Message)
	}
	return e
}
