package capture

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func fetched(in twice.HTTPInput) *twice.Pipeline {
	in.Headers = map[string]string{"Authorization": "Bearer geheim", "X-Key": "geheim"}
	return &twice.Pipeline{Name: "p", File: "pipelines/p.sql", Inputs: []twice.Input{{Name: "src", Line: 3, HTTP: &in}}}
}

// serve answers each path with what its function says.
func serve(t *testing.T, paths map[string]http.HandlerFunc) string {
	mux := http.NewServeMux()
	for path, f := range paths {
		mux.HandleFunc(path, f)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func TestHTTPPages(t *testing.T) {
	var url string
	url = serve(t, map[string]http.HandlerFunc{
		"/plain":  says(`[{"a": 1, "big": 1234567890123456789}, {"a": 2, "big": 1}]`),
		"/object": says(`{"a": 1}`),
		"/nested": says(`{"data": {"items": [{"a": 1}]}}`),
		"/none":   says(`{"data": {"items": []}}`),
		"/next": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") == "" {
				fmt.Fprintf(w, `{"rows": [{"a": 1}], "paging": {"next": "/next?cursor=2"}}`)
				return
			}
			fmt.Fprint(w, `{"rows": [{"a": 2}], "paging": {"next": null}}`)
		},
		"/link": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				w.Header().Set("Link", `<`+url+`/x>; rel="prev", </link?p=2>; rel="next"`)
			}
			fmt.Fprintf(w, `[{"a": %d}]`, len(r.URL.RawQuery))
		},
		"/page": func(w http.ResponseWriter, r *http.Request) {
			n := r.URL.Query().Get("page")
			if n > "3" {
				fmt.Fprint(w, "[]")
				return
			}
			fmt.Fprintf(w, `[{"a": %s, "q": %q}]`, n, r.URL.Query().Get("q"))
		},
		"/t.csv":    says("a,b\n1,x\n2,\n"),
		"/t.ndjson": says("{\"a\": 1}\n{\"a\": 2}\n"),
		"/day":      func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `[{"a": %q}]`, r.URL.RawQuery) },
	})
	for _, test := range []struct {
		in   twice.HTTPInput
		want string
	}{
		{twice.HTTPInput{URL: "/plain"}, "1|1234567890123456789\n2|1"},
		{twice.HTTPInput{URL: "/object"}, "1"},
		{twice.HTTPInput{URL: "/nested", Records: "data.items"}, "1"},
		{twice.HTTPInput{URL: "/none", Records: "data.items", Reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "a", Type: "BIGINT"}}}}, ""},
		{twice.HTTPInput{URL: "/next", Records: "rows", Next: "paging.next"}, "1\n2"},
		{twice.HTTPInput{URL: "/link", Next: "link"}, "0\n3"},
		{twice.HTTPInput{URL: "/page?q=z", Page: "page"}, "1|z\n2|z\n3|z"},
		{twice.HTTPInput{URL: "/t.csv"}, "1|x\n2|NULL"},
		{twice.HTTPInput{URL: "/t.ndjson"}, "1\n2"},
		{twice.HTTPInput{URL: "/day?{start:%Y-%m-%d}/{end:%d}"}, "2020-01-01/02"},
	} {
		address := test.in.URL
		test.in.URL = url + test.in.URL
		day := twice.Window{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}
		pins, read, err := taken(t, fetched(test.in), day)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := read(pins[0][0], "select * from {}"); got != test.want {
			t.Errorf("%s gives\n%s\nwant\n%s", address, got, test.want)
		}
	}
}

func TestHTTPRefusals(t *testing.T) {
	var url string
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `[{"a": 1}`)
	}
	url = serve(t, map[string]http.HandlerFunc{
		"/redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("/redirect?%sx", r.URL.RawQuery), http.StatusFound)
		},
		"/500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"/401":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"/cut":     cut,
		"/text":    says("<html>sorry</html>"),
		"/numbers": says("[1, 2]"),
		"/half":    says("a\n1\n2"),
		"/loop":    says(`{"rows": [{"a": 1}], "next": "/loop"}`),
		"/hang":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	})
	for _, test := range []struct {
		in         twice.HTTPInput
		code, says string
	}{
		{twice.HTTPInput{URL: url + "/redirect"}, "endless-redirect", "/redirect redirects again and again"},
		{twice.HTTPInput{URL: url + "/500?key=geheim"}, "http-status", "500"},
		{twice.HTTPInput{URL: url + "/401"}, "http-status", "401"},
		{twice.HTTPInput{URL: url + "/cut"}, "http-failed", "unexpected EOF"},
		{twice.HTTPInput{URL: url + "/text"}, "bad-answer", "not JSON"},
		{twice.HTTPInput{URL: url + "/numbers"}, "bad-answer", "array of objects"},
		{twice.HTTPInput{URL: url + "/loop", Records: "data"}, "bad-answer", "no data"},
		{twice.HTTPInput{URL: url + "/loop", Records: "rows", Next: "next"}, "endless-pages", "page 2"},
		{twice.HTTPInput{URL: url + "/half", Reader: twice.Reader{Format: "csv"}}, "truncated-input", "half a line"},
		{twice.HTTPInput{URL: url + "/hang", Timeout: 50 * time.Millisecond}, "http-timeout", "50ms"},
		{twice.HTTPInput{URL: "http://geheim:geheim@127.0.0.1:1/?key=geheim"}, "http-failed", "refused"},
	} {
		_, _, err := taken(t, fetched(test.in))
		if code(err) != test.code || !strings.Contains(err.Error(), test.says) || strings.Contains(fmt.Sprintf("%+v", err), "geheim") {
			t.Errorf("%s: %v (%s), want %s with %q", test.in.URL, err, code(err), test.code, test.says)
		}
	}
}

// A server that is down for a moment is asked again, after as long as it says.
func TestHTTPTriesAgain(t *testing.T) {
	n := 0
	url := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) {
		n++
		switch n {
		case 1:
			w.WriteHeader(503)
		case 2:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		case 3:
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `[{"a": 1}`)
		default:
			fmt.Fprint(w, `[{"a": 1}]`)
		}
	}})
	var pauses []time.Duration
	r := &reading{Capturer: &Capturer{Pause: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }},
		pipeline: fetched(twice.HTTPInput{URL: url})}
	path := t.TempDir() + "/x.parquet"
	if err := r.http(t.Context(), &r.pipeline.Inputs[0], twice.Window{}, path); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "select * from read_parquet('"+path+"')"); got != "1" {
		t.Errorf("the capture has %s", got)
	}
	if want := fmt.Sprint([]time.Duration{firstPause, 7 * time.Second, 4 * firstPause}); fmt.Sprint(pauses) != want {
		t.Errorf("paused %v, want %v", pauses, want)
	}
}

// Headers are for the server that they were written for, and for no other that it names.
func TestHTTPKeepsHeadersHome(t *testing.T) {
	var abroad http.Header
	other := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		abroad = r.Header
		fmt.Fprint(w, `{"rows": [{"a": 2}]}`)
	}})
	var home []string
	url := serve(t, map[string]http.HandlerFunc{
		"/next": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"rows": [{"a": 1}], "next": "%s/x"}`, other)
		},
		"/there": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) },
		"/here":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/end", http.StatusFound) },
		"/end": func(w http.ResponseWriter, r *http.Request) {
			home = append(home, r.Header.Get("X-Key"), r.Header.Get("Authorization"))
			fmt.Fprint(w, `{"rows": [{"a": 1}]}`)
		},
	})
	for _, path := range []string{"/next", "/there", "/here"} {
		if _, _, err := taken(t, fetched(twice.HTTPInput{URL: url + path, Records: "rows", Next: "next"})); err != nil {
			t.Fatal(err)
		}
		if abroad.Get("X-Key") != "" || abroad.Get("Authorization") != "" {
			t.Errorf("%s: another server got the headers %v", path, abroad)
		}
	}
	if fmt.Sprint(home) != "[geheim Bearer geheim]" {
		t.Errorf("after a redirect to itself the server got %q", home)
	}
}
