package examples_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const covid = "A_covid_italy"

// A day's figures, or the sums over days; the names are the feed's.
type measures map[string]int64

type covidFigures struct {
	Days  int `json:"n_days"`
	Feeds map[string]struct {
		Landing        map[string]measures
		Corrected      map[string]measures
		CorrectionDays []string `json:"correction_days"`
		Summary        struct {
			Landing measures `json:"landing_sums"`
			Final   measures `json:"final_sums"`
		}
		AsOf map[string]struct {
			Partitions, Rows int64
			Cases            int64 `json:"sum_totale_casi"`
		} `json:"state_as_of"`
	}
	Audit struct {
		Landing map[string][2]int64 `json:"landing_days_failing"`
		Final   map[string][2]int64 `json:"final_days_failing"`
	} `json:"cross_feed_audit"`
}

// covidColumns are the tables' names for the feeds' measures.
var covidColumns = map[string]map[string]string{
	"province": {"distinct_keys": "count(distinct province_code)", "totale_casi": "sum(total_cases)"},
	"regioni": {
		"distinct_keys": "count(distinct region_key)", "totale_casi": "sum(total_cases)", "deceduti": "sum(deaths)",
		"ricoverati_con_sintomi": "sum(in_wards)", "terapia_intensiva": "sum(in_intensive_care)",
		"totale_ospedalizzati": "sum(in_hospital)", "isolamento_domiciliare": "sum(at_home)",
		"totale_positivi": "sum(positive)", "dimessi_guariti": "sum(recovered)", "tamponi": "sum(swabs)",
	},
}

// measured are the figures of each day of a feed's table.
func (e *example) measured(feed string) map[string]measures {
	e.Helper()
	names := slices.Sorted(maps.Keys(covidColumns[feed]))
	exprs := []string{"cast(day as varchar)", "cast(count(*) as varchar)"}
	for _, name := range names {
		exprs = append(exprs, "cast(cast(coalesce("+covidColumns[feed][name]+", 0) as bigint) as varchar)")
	}
	found := map[string]measures{}
	for _, row := range e.query("select " + strings.Join(exprs, ", ") + " from " + feed + " group by day") {
		day := measures{"rows": e.number(row[1])}
		for i, name := range names {
			day[name] = e.number(row[i+2])
		}
		found[row[0]] = day
	}
	return found
}

func (e *example) number(text string) int64 {
	e.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		e.Fatal(err)
	}
	return n
}

// holds compares every figure of every day, and the sums over all days.
func (e *example) holds(when, feed string, want map[string]measures, sums measures) {
	e.Helper()
	got := e.measured(feed)
	total := measures{}
	for day, figures := range want {
		if !maps.Equal(got[day], figures) {
			e.Errorf("%s, %s of %s: %v, expected %v", when, feed, day, got[day], figures)
		}
		for name, n := range got[day] {
			total[name] += n
		}
	}
	if len(got) != len(want) {
		e.Errorf("%s: %s has %d days, expected %d", when, feed, len(got), len(want))
	}
	for name, n := range sums {
		if total[name] != n {
			e.Errorf("%s: %s of %s over all days: %d, expected %d", when, name, feed, total[name], n)
		}
	}
	e.Logf("%s: %s has %d days, %d rows, %d cases over all days",
		when, feed, len(got), total["rows"], total["totale_casi"])
}

// land lays the files of a folder over those of the feed.
func (e *example) land(feed, folder string) {
	e.Helper()
	files, err := filepath.Glob(filepath.Join(feeds, covid, feed, folder, "*.csv"))
	if err != nil || len(files) == 0 {
		e.Fatal(folder, err)
	}
	for _, f := range files {
		e.copy(f, filepath.Join(e.data, feed, "landing", filepath.Base(f)))
	}
}

// TestCovidCorrections runs the files as they were first published, and again after their corrections.
func TestCovidCorrections(t *testing.T) { onTargets(t, covidCorrections) }

func covidCorrections(t *testing.T, target string) {
	figures := expected[covidFigures](t, covid)
	e := newExample(t, "covid_italy", t.TempDir(), target)
	for feed := range figures.Feeds {
		e.land(feed, "landing")
	}
	first := e.twice(1, "run")
	wrong := slices.Sorted(maps.Keys(figures.Audit.Landing))
	equal(t, "days on which the audit blocked", days(first.of("national", "blocked")), wrong)
	for _, w := range first.of("national", "blocked") {
		sums := figures.Audit.Landing[w.Start.Format(time.DateOnly)]
		for _, sum := range sums {
			if !strings.Contains(w.Error.Message, fmt.Sprint(sum)) {
				t.Errorf("the error does not show the sum %d: %s", sum, w.Error.Message)
			}
		}
	}
	if n := len(first.of("national", "committed")); n != figures.Days-len(wrong) {
		t.Errorf("%d days of the national table were published", n)
	}
	union := map[string]bool{}
	for feed, f := range figures.Feeds {
		if n := len(first.of(feed, "committed")); n != figures.Days {
			t.Errorf("%d days of %s were written", n, feed)
		}
		e.holds("as first published", feed, f.Landing, f.Summary.Landing)
		e.land(feed, "corrections")
		for _, day := range f.CorrectionDays {
			union[day] = true
		}
	}
	t.Logf("the audit blocked %v", wrong)

	second := e.twice(0, "run")
	for feed, f := range figures.Feeds {
		redone := second.of(feed, "committed")
		equal(t, "corrected days of "+feed, days(redone), f.CorrectionDays)
		for _, w := range redone {
			if w.Reason != "input" {
				t.Errorf("%s of %s was redone because of its %s", feed, w.Start, w.Reason)
			}
		}
		if n := len(second.of(feed, "unchanged")); n != figures.Days-len(redone) {
			t.Errorf("%d days of %s were left alone", n, feed)
		}
		final := maps.Clone(f.Landing)
		maps.Copy(final, f.Corrected)
		e.holds("as corrected", feed, final, f.Summary.Final)
	}
	for _, day := range wrong {
		union[day] = true
	}
	redone := second.of("national", "committed")
	equal(t, "days published anew", days(redone), slices.Sorted(maps.Keys(union)))
	total := e.figures("select cast(count(*) as varchar), cast(cast(sum(cases_of_provinces) as bigint) as varchar), " +
		"cast(cast(sum(cases_of_regions) as bigint) as varchar) from national")
	cases := figures.Feeds["regioni"].Summary.Final["totale_casi"]
	if want := fmt.Sprintf("%d %d %d", figures.Days, cases, cases); total != want {
		t.Errorf("the national table has %s, expected %s", total, want)
	}
	t.Logf("redone: %v; national: %s", days(redone), total)

	if third := e.twice(0, "run"); len(third.windows) != 3*figures.Days ||
		slices.ContainsFunc(third.windows, func(w event) bool { return w.Status != "unchanged" }) {
		t.Error("a third run was not up to date everywhere")
	}
}

// revision is one version of one day's file.
type revision struct {
	feed, day, file, at, kind string
	cases                     int64
}

func (r revision) key() string { return r.feed + " " + r.day }

// revisions are all versions in the order of their publication.
func revisions(t *testing.T) []revision {
	t.Helper()
	rows := readCSV(t, filepath.Join(feeds, covid, "revisions.csv"))
	column := func(name string) int { return slices.Index(rows[0], name) }
	var all []revision
	for _, row := range rows[1:] {
		cases, err := strconv.ParseInt(row[column("sum_totale_casi")], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, revision{
			feed: row[column("feed")], day: row[column("date")], file: row[column("file")],
			at: row[column("commit_time_utc")], kind: row[column("kind")], cases: cases,
		})
	}
	return all
}

// replay is an example to whose feed revisions come one after the other.
type replay struct {
	*example
	laid    map[string]revision // the newest ones to arrive, by key
	pending map[string]bool     // laid since the last run, with values of their own
	blocked map[string]bool     // days that the audit blocked at some time
	runs    int
}

func newReplay(t *testing.T) *replay {
	return &replay{
		example: newExample(t, "covid_italy", t.TempDir(), "dev"),
		laid:    map[string]revision{}, pending: map[string]bool{}, blocked: map[string]bool{},
	}
}

// lay puts a revision in place of the file that it revises. What it corrects is run before, and so is what nobody has
// seen yet.
func (r *replay) lay(rev revision) {
	r.Helper()
	if r.pending[rev.key()] || rev.kind == "values" {
		r.run()
	}
	r.copy(filepath.Join(feeds, covid, rev.file), filepath.Join(r.data, rev.feed, "landing", rev.day+".csv"))
	r.laid[rev.key()] = rev
	r.pending[rev.key()] = rev.kind == "values"
}

// run expects the audit to block exactly the days for which the files that are there do not agree.
func (r *replay) run() {
	r.Helper()
	wrong := []string{}
	for _, rev := range r.laid {
		if other, there := r.laid["regioni "+rev.day]; rev.feed == "province" && there && rev.cases != other.cases {
			wrong = append(wrong, rev.day)
			r.blocked[rev.day] = true
		}
	}
	slices.Sort(wrong)
	o := r.twice(min(len(wrong), 1), "run")
	equal(r.T, "days on which the audit blocked", days(o.of("national", "blocked")), wrong)
	clear(r.pending)
	r.runs++
}

// state is the fingerprints of the three tables.
func (r *replay) state() string {
	return fmt.Sprintf("province %s, regioni %s, national %s",
		r.fingerprint("province"), r.fingerprint("regioni"), r.fingerprint("national"))
}

// published replays the revisions as they were published, with a run on every day on which there were any.
func published(t *testing.T, figures covidFigures, revs []revision) string {
	r := newReplay(t)
	var times []string
	for at := range figures.Feeds["province"].AsOf {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, when.UTC().Format("2006-01-02T15:04:05Z")+" "+at)
	}
	slices.Sort(times)
	for i, rev := range revs {
		at, name, _ := strings.Cut(times[0], " ")
		switch {
		case rev.at > at:
			r.run()
			r.asOf(figures, name)
			times = times[1:]
		case i > 0 && rev.at[:10] != revs[i-1].at[:10]:
			r.run()
		}
		r.lay(rev)
	}
	r.run()
	_, name, _ := strings.Cut(times[len(times)-1], " ")
	r.asOf(figures, name)
	t.Logf("%d revisions in the order of publication, %d runs; the audit blocked %v at some time",
		len(revs), r.runs, slices.Sorted(maps.Keys(r.blocked)))
	return r.state()
}

// asOf compares the tables with what was known at a time.
func (r *replay) asOf(figures covidFigures, at string) {
	r.Helper()
	for feed, f := range figures.Feeds {
		want := fmt.Sprintf("%d %d %d", f.AsOf[at].Partitions, f.AsOf[at].Rows, f.AsOf[at].Cases)
		got := r.figures("select cast(count(distinct day) as varchar), cast(count(*) as varchar), " +
			"cast(cast(sum(total_cases) as bigint) as varchar) from " + feed)
		if got != want {
			r.Errorf("as of %s: days, rows and cases of %s: %s, expected %s", at, feed, got, want)
		}
		r.Logf("as of %s: days, rows and cases of %s: %s", at, feed, got)
	}
}

// shuffled replays the revisions in a random order, in which only the last of each file keeps its place: at the end.
func shuffled(t *testing.T, revs []revision) string {
	r := newReplay(t)
	last := map[string]revision{}
	for _, rev := range revs {
		last[rev.key()] = rev
	}
	revs = slices.Clone(revs)
	rand.New(rand.NewPCG(3, 1)).Shuffle(len(revs), func(i, j int) { revs[i], revs[j] = revs[j], revs[i] })
	slices.SortStableFunc(revs, func(a, b revision) int { return isLast(a, last) - isLast(b, last) })
	for i, rev := range revs {
		if i > 0 && i%150 == 0 {
			r.run()
		}
		r.lay(rev)
	}
	r.run()
	t.Logf("%d revisions in a random order, %d runs; the audit blocked %v at some time",
		len(revs), r.runs, slices.Sorted(maps.Keys(r.blocked)))
	return r.state()
}

func isLast(r revision, last map[string]revision) int {
	if last[r.key()] == r {
		return 1
	}
	return 0
}

// TestCovidReplay replays everything that was ever published, in two orders that end with the same files.
func TestCovidReplay(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs hundreds of windows")
	}
	figures, revs := expected[covidFigures](t, covid), revisions(t)
	states := make([]string, 2)
	t.Run("orders", func(t *testing.T) {
		t.Run("published", func(t *testing.T) { t.Parallel(); states[0] = published(t, figures, revs) })
		t.Run("shuffled", func(t *testing.T) { t.Parallel(); states[1] = shuffled(t, revs) })
	})
	if states[0] != states[1] {
		t.Errorf("in the order of publication:\n%s\nin a random order:\n%s", states[0], states[1])
	}
	t.Logf("both orders end with %s", states[0])
}
