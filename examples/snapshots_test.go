package examples_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// snapshot is a dated full version of a table.
type snapshot struct {
	pipeline string
	start    time.Time
	length   time.Duration
	empty    bool // its file has no bytes
	rows     int64
}

func (s snapshot) String() string { return s.pipeline + " of " + s.start.Format("2006-01-02T15:04Z") }

// window selects the snapshot alone.
func (s snapshot) window() []string {
	start, end := s.start.Format(time.RFC3339), s.start.Add(s.length).Format(time.RFC3339)
	return []string{s.pipeline, "--start", start, "--end", end}
}

// merge runs one snapshot. An empty file is refused, and costs the table nothing.
func (e *example) merge(s snapshot) {
	e.Helper()
	args := append([]string{"run"}, s.window()...)
	if !s.empty {
		if o := e.twice(0, args...); len(o.of(s.pipeline, "committed")) != 1 || o.windows[0].Rows != s.rows {
			e.Errorf("%s, a snapshot of %d rows: %+v", s, s.rows, o.windows)
		}
		return
	}
	before := e.fingerprint(s.pipeline)
	o := e.twice(1, args...)
	refused(e.T, o, s)
	if after := e.fingerprint(s.pipeline); after != before {
		e.Errorf("%s: the table was %q and is %q", s, before, after)
	}
}

// refused expects that the snapshot's file, and no other, was refused for being empty.
func refused(t *testing.T, o outcome, s snapshot) {
	t.Helper()
	failed := o.of(s.pipeline, "failed")
	if len(failed) != 1 || !failed[0].Start.Equal(s.start) || failed[0].Error.Code != "empty-input" ||
		!strings.Contains(failed[0].Error.Message, s.start.Format(time.DateOnly)+".csv is empty (0 bytes)") ||
		failed[0].Error.Next == "" {
		t.Errorf("the empty file of %s: %+v", s, failed)
	}
}

// fingerprints are those of the tables that others are of.
func (e *example) fingerprints(tables map[string]string) map[string]string {
	e.Helper()
	found := map[string]string{}
	for table := range tables {
		found[table] = e.fingerprint(table)
	}
	return found
}

// orders are the reverse order in time, and a random one.
func orders(snapshots []snapshot) map[string][]snapshot {
	reverse, random := slices.Clone(snapshots), slices.Clone(snapshots)
	slices.Reverse(reverse)
	rand.New(rand.NewPCG(2, 9)).Shuffle(len(random), func(i, j int) { random[i], random[j] = random[j], random[i] })
	return map[string][]snapshot{"reverse": reverse, "random": random}
}

// step is what changed from one good version to the next.
type step struct {
	Inserted, Updated int64
	Deleted           json.RawMessage // a number, or a list of the keys
}

func (s step) deleted(t *testing.T) int64 {
	t.Helper()
	var n int64
	var keys []any
	if json.Unmarshal(s.Deleted, &n) == nil {
		return n
	}
	if err := json.Unmarshal(s.Deleted, &keys); err != nil {
		t.Fatal(err)
	}
	return int64(len(keys))
}

// changes are the rows that each window of a pipeline changed.
func changes(o outcome, pipeline string) []int64 {
	var n []int64
	for _, w := range o.of(pipeline, "committed") {
		n = append(n, w.Changed)
	}
	return n
}

// TestKEV merges eight versions of a catalogue, two of them of one day, in three orders.
func TestKEV(t *testing.T) { onTargets(t, kev) }

func kev(t *testing.T, target string) {
	figures := expected[struct {
		Versions []struct {
			File string
			Rows int64
		}
		Steps []step
		Final struct {
			Rows  int64 `json:"full_sync_rows"`
			Known int64 `json:"full_sync_known"`
		}
	}](t, "B_kev")
	var snapshots []snapshot
	for _, v := range figures.Versions {
		at, err := time.Parse("versions/2006-01-02T150405Z.csv", v.File)
		if err != nil {
			t.Fatal(err)
		}
		snapshots = append(snapshots, snapshot{"vulnerabilities", at.Truncate(time.Hour), time.Hour, false, v.Rows})
	}
	want := fmt.Sprintf("%d %d", figures.Final.Rows, figures.Final.Known)
	query := "select cast(count(*) as varchar), cast(count(*) filter (where ransomware = 'Known') as varchar) " +
		"from vulnerabilities"
	data := filepath.Join(feeds, "B_kev")

	e := newExample(t, "kev", data, target)
	o := e.twice(0, "run")
	changed := []int64{figures.Versions[0].Rows}
	for _, s := range figures.Steps {
		changed = append(changed, s.Inserted+s.Updated+s.deleted(t))
	}
	equal(t, "rows changed by each version", changes(o, "vulnerabilities"), changed)
	waiting := len(o.of("vulnerabilities", "waiting"))
	if waiting+len(snapshots) != len(o.windows) {
		t.Errorf("%d of %d windows wait, with %d versions", waiting, len(o.windows), len(snapshots))
	}
	if got := e.figures(query); got != want {
		t.Errorf("rows and known to be used for ransom: %s, expected %s", got, want)
	}
	clean := e.fingerprint("vulnerabilities")
	t.Logf("in order: %s; %d known to be used for ransom; changed %v; %d hours wait",
		clean, figures.Final.Known, changed, waiting)

	for name, order := range orders(snapshots) {
		e := newExample(t, "kev", data, target)
		for _, s := range order {
			e.merge(s)
		}
		got := e.fingerprint("vulnerabilities")
		if got != clean {
			t.Errorf("in %s order: %s, expected %s", name, got, clean)
		}
		t.Logf("in %s order: %s", name, got)
	}
}

// TestOurAirports merges the snapshots of three tables, one of which is a file without a byte, in three orders.
func TestOurAirports(t *testing.T) { onTargets(t, ourAirports) }

func ourAirports(t *testing.T, target string) {
	figures := expected[struct {
		Tables map[string]struct {
			Versions []struct {
				File string
				Rows int64
			}
			Steps []step
			Final struct {
				Rows   int64 `json:"full_sync_rows"`
				SumID  int64 `json:"full_sync_sum_id"`
				KHz    int64 `json:"full_sync_sum_khz"`
				Length int64 `json:"full_sync_sum_length_ft"`
			}
		}
	}](t, "B_ourairports")
	sums := map[string]string{
		"airport_frequencies": "sum(frequency_mhz * 1000)", "runways": "sum(length_ft)", "regions": "0",
	}
	var snapshots []snapshot
	wanted := map[string]string{}
	changed := map[string][]int64{}
	for table, f := range figures.Tables {
		pipeline := strings.ReplaceAll(table, "-", "_")
		for _, v := range f.Versions {
			day, _, _ := strings.Cut(filepath.Base(v.File), ".")
			at, err := time.Parse(time.DateOnly, day)
			if err != nil {
				t.Fatal(err)
			}
			snapshots = append(snapshots, snapshot{pipeline, at, 24 * time.Hour, v.Rows == 0, v.Rows})
		}
		wanted[pipeline] = fmt.Sprintf("%d %d %d", f.Final.Rows, f.Final.SumID, f.Final.KHz+f.Final.Length)
		changed[pipeline] = []int64{f.Versions[0].Rows}
		for _, s := range f.Steps {
			changed[pipeline] = append(changed[pipeline], s.Inserted+s.Updated+s.deleted(t))
		}
	}
	slices.SortFunc(snapshots, func(a, b snapshot) int {
		return 2*a.start.Compare(b.start) + strings.Compare(a.pipeline, b.pipeline)
	})
	i := slices.IndexFunc(snapshots, func(s snapshot) bool { return s.empty })
	if i < 0 {
		t.Fatal("no version is empty")
	}

	data := filepath.Join(feeds, "B_ourairports")
	e := newExample(t, "ourairports", data, target)
	o := e.twice(1, "run") // the empty file fails; the snapshots after it do not wait for it
	refused(t, o, snapshots[i])
	clean := map[string]string{}
	for pipeline, want := range wanted {
		got := e.figures(fmt.Sprintf("select cast(count(*) as varchar), cast(cast(sum(id) as bigint) as varchar), "+
			"cast(cast(%s as bigint) as varchar) from %s", sums[pipeline], pipeline))
		if got != want {
			t.Errorf("%s: rows and sums %s, expected %s", pipeline, got, want)
		}
		clean[pipeline] = e.fingerprint(pipeline)
		did := changes(o, pipeline)
		t.Logf("in order: %s: rows and sums %s, %s; changed %v, cells of the feed changed in %v rows",
			pipeline, got, clean[pipeline], did, changed[pipeline])
		if pipeline != "runways" { // whose coordinates are rounded, which hides what only was written differently
			equal(t, "rows changed by each version of "+pipeline, did, changed[pipeline])
		} else if len(did) != 6 || did[2] > changed[pipeline][2]/10 {
			t.Errorf("rows changed by each version of runways: %v of %v", did, changed[pipeline])
		}
	}
	texas := e.figures("select continent || ' ' || local_code from regions where code = 'US-TX'")
	if texas != "NA TX" {
		t.Errorf("the continent and code of Texas were read as %q", texas)
	}

	for name, order := range orders(snapshots) {
		e := newExample(t, "ourairports", data, target)
		for _, s := range order {
			e.merge(s)
		}
		if got := e.fingerprints(clean); !maps.Equal(got, clean) {
			t.Errorf("in %s order: %v, expected %v", name, got, clean)
		}
		old := snapshots[0]
		if late := e.twice(0, append([]string{"run", "--force"}, old.window()...)...); late.windows[0].Changed != 0 {
			t.Errorf("%s, run again late, changed %d rows", old, late.windows[0].Changed)
		}
		t.Logf("in %s order: %d snapshots, fingerprints %v", name, len(order), e.fingerprints(clean))
	}
}
