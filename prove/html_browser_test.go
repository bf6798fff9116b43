package prove_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/prove"
)

// chromium is a browser's path. Without one the test is skipped, but not in CI.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("Chromium is missing: scripts/test-deps.sh installs it")
	}
	t.Skip("Chromium is missing: scripts/test-deps.sh installs it")
	return ""
}

// browse opens a page in a browser of its own and answers with its document once its scripts have run.
func browse(t *testing.T, browser, url string, flags ...string) string {
	t.Helper()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--window-size=1400,1200",
		"--virtual-time-budget=5000",
	}, flags...)
	c := exec.Command(browser, append(args, url)...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return string(out)
}

// frame shows the page as a screen of that width does, in light or dark, and measures it.
const frame = `<!doctype html><meta name="color-scheme" content="%[2]s"><body style="margin:0">
<iframe id="f" src="/report" style="border:0;width:%[1]dpx;height:1100px;color-scheme:%[2]s"></iframe><pre id="out"></pre><script>
function rgb(c) { return c.match(/[\d.]+/g).map(Number) }
function light(c) {
  const [r, g, b] = rgb(c).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
f.onload = () => {
  const d = f.contentDocument, w = f.contentWindow, root = d.documentElement
  d.querySelectorAll('details').forEach(e => e.open = true)
  let least = 99, where = '', small = 99, wide = []
  for (const e of d.body.querySelectorAll('*')) {
    const s = w.getComputedStyle(e), box = e.getBoundingClientRect()
    if (box.right > root.clientWidth + 1 && !e.closest('.rows')) wide.push(e.tagName + ' ' + e.textContent.trim().slice(0, 40))
    if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue
    let back = e
    while (back != root && /, 0\)|transparent/.test(w.getComputedStyle(back).backgroundColor)) back = back.parentElement
    const a = light(s.color), b = light(w.getComputedStyle(back).backgroundColor)
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < least) { least = ratio; where = e.textContent.trim().slice(0, 40) }
    small = Math.min(small, parseFloat(s.fontSize))
  }
  out.textContent = JSON.stringify({
    Width: root.clientWidth, Scroll: root.scrollWidth, Contrast: least, Where: where, Small: small, Wide: wide,
    Back: light(w.getComputedStyle(d.body).backgroundColor), Text: d.body.innerText,
  })
}
</script>`

var measured = regexp.MustCompile(`(?s)<pre id="out">(\{.*?\})</pre>`)

// show is a report on a pipeline that is broken, in words and rows as wide as they come, and one that is sound.
func show() *prove.Report {
	day := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	w := twice.Window{Start: day, End: day.AddDate(0, 0, 1)}
	subject := func(name string, outcome prove.Outcome) prove.Subject {
		s := prove.Subject{
			Pipeline: &twice.Pipeline{Name: name, Write: twice.Overwrite, Table: twice.Table{Schema: "mart", Name: "t"}},
			Windows:  []twice.Window{w}, Rows: 12, Walk: []string{"begin", "delete", "insert", "commit"}, Crashes: 40,
		}
		for _, l := range prove.Laws {
			v := prove.Verdict{Pipeline: name, Law: l, Outcome: prove.Holds, Trials: 12, Took: time.Second, Notes: []string{"seen"}}
			if outcome == prove.Broken && l.Name == "shuffle" {
				v.Outcome, v.Reason = prove.Broken, "1 row missing, 1 row extra"
				v.Break = &prove.Break{
					Steps: []string{"reverse the rows of each file", "run"}, Windows: []twice.Window{w}, Inputs: 2,
					Diff: &prove.Diff{
						Columns: []string{"day", "customer", "a_column_with_quite_a_long_name", "note"},
						Missing: []prove.Row{{Values: []string{"2026-01-03", "c1", strings.Repeat("x", 120), "a"}, Times: 1}},
						Extra:   []prove.Row{{Values: []string{"2026-01-03", "c1", strings.Repeat("y", 120), "a"}, Times: 2}},
					},
					Cause: "first() depends on the order of rows in " + strings.Repeat("a_long_expression_", 8),
					File:  "pipelines/mart/" + strings.Repeat("long_", 12) + ".sql", Line: 12, Next: "write min(id)",
				}
			}
			if l.Name == "hostile" {
				v.Accounts = []prove.Account{
					{Put: "amount = " + strings.Repeat("9", 30), Fate: prove.BecameNull, Detail: "n 5 → 6 (customer c1)"},
					{Put: "an empty customer", Fate: prove.NoTrace, Detail: "what can leave it out: WHERE (pipelines/" + strings.Repeat("long_", 20) + ".sql:12)"},
				}
			}
			s.Verdicts = append(s.Verdicts, v)
		}
		return s
	}
	return &prove.Report{
		Project: "shop", Engine: "duckdb", Seed: 7, Began: day, Took: 50 * time.Second,
		Subjects: []prove.Subject{
			subject("mart.broken_"+strings.Repeat("and_long_", 8), prove.Broken), subject("mart.sound", prove.Holds),
		},
	}
}

func TestTheReportIsLegibleInABrowser(t *testing.T) {
	browser := chromium(t)
	page, err := prove.HTML(show())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	mux.HandleFunc("/frame/", func(w http.ResponseWriter, r *http.Request) {
		var width int
		var scheme string
		fmt.Sscanf(strings.ReplaceAll(r.URL.Path, "/", " "), " frame %d %s", &width, &scheme)
		fmt.Fprintf(w, frame, width, scheme)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, width := range []int{390, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, scheme), func(t *testing.T) {
				url := fmt.Sprintf("%s/frame/%d/%s", server.URL, width, scheme)
				if dir := os.Getenv("TWICE_SCREENSHOTS"); dir != "" {
					browse(t, browser, url, fmt.Sprintf("--screenshot=%s/%d-%s.png", dir, width, scheme))
				}
				found := measured.FindStringSubmatch(browse(t, browser, url, "--dump-dom"))
				if found == nil {
					t.Fatal("the page was not measured")
				}
				var m struct {
					Width, Scroll         int
					Contrast, Small, Back float64
					Where, Text           string
					Wide                  []string
				}
				if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &m); err != nil {
					t.Fatal(err)
				}
				if m.Width > width || m.Width < width-20 || m.Scroll > m.Width || len(m.Wide) > 0 {
					t.Errorf("a screen of %d shows %d, the page takes %d: %q", width, m.Width, m.Scroll, m.Wide)
				}
				if m.Contrast < 4.5 {
					t.Errorf("a contrast of %.1f: %q", m.Contrast, m.Where)
				}
				if m.Small < 12 {
					t.Errorf("letters of %.0f pixels", m.Small)
				}
				if dark := m.Back < 0.1; dark != (scheme == "dark") {
					t.Errorf("the background's luminance is %.2f", m.Back)
				}
				for _, text := range []string{"mart.sound", "✗ broken", "✓ holds", "Shortest reproduction", "2026-01-03", "first() depends", "1 in no row, 1 became NULL", "n 5 → 6"} {
					if !strings.Contains(m.Text, text) {
						t.Errorf("the page does not show %q", text)
					}
				}
			})
		}
	}
}
