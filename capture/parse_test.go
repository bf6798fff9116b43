package capture

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func TestLink(t *testing.T) {
	at, err := url.Parse("https://x.org/a?p=1")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"":                              "",
		`</b>; rel="prev"`:              "",
		`</b>; rel="next"`:              "https://x.org/b",
		`<?p=2>; title="x"; rel="next"`: "https://x.org/a?p=2",
		`</b?x=1,2>; rel=next`:          "https://x.org/b?x=1,2",
		`</a>; rel="prev", <https://y.org/c>; REL = "last next"`: "https://y.org/c",
		`</a>; rel="prev",</c>;rel="next",</d>;rel="last"`:       "https://x.org/c",
		`</b>; rel="nextish"`: "",
	} {
		got, err := link(at, http.Header{"Link": {value}})
		text := ""
		if got != nil {
			text = got.String()
		}
		if err != nil || text != want {
			t.Errorf("%s leads to %q (%v), want %q", value, text, err, want)
		}
	}
	if _, err := link(at, http.Header{"Link": {`<file:///etc/passwd>; rel="next"`}}); code(err) != "bad-answer" {
		t.Errorf("a link out of the web: %v", err)
	}
}

func FuzzLink(f *testing.F) {
	f.Add(`</b>; rel="next"`)
	f.Add(`<a,>;rel=next,<`)
	at := &url.URL{Scheme: "https", Host: "x.org"}
	f.Fuzz(func(t *testing.T, value string) {
		if u, err := link(at, http.Header{"Link": {value}}); err == nil && u != nil && u.Scheme != "https" && u.Scheme != "http" {
			t.Errorf("%q leads to %s", value, u)
		}
	})
}

func TestExpand(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	day := twice.Window{Start: time.Date(2020, 2, 29, 23, 0, 0, 0, time.UTC), End: time.Date(2020, 3, 1, 23, 0, 0, 0, time.UTC)}
	for text, want := range map[string]string{
		"": "", "{start:%Y-%m-%d}/{end:%d}": "2020-03-01/02", `{"a": 1}`: `{"a": 1}`, "{start}": "{start}", "{other:%d}": "{other:%d}",
	} {
		if got, err := expand(text, day, rome); err != nil || got != want {
			t.Errorf("%s becomes %q (%v), want %q", text, got, err, want)
		}
	}
	if got, err := expand("{start:%d}", day, nil); err != nil || got != "29" {
		t.Errorf("without a zone: %q (%v)", got, err)
	}
	if _, err := expand("{start:%d}", twice.Window{}, nil); code(err) != "no-window" {
		t.Errorf("without a window: %v", err)
	}
}

func TestDig(t *testing.T) {
	doc := json.RawMessage(`{"a": {"b": [1], "n": null}, "c": 1.00}`)
	for path, want := range map[string]string{"": string(doc), "a.b": "[1]", "c": "1.00", "a.n": "null", "a.x": "", "c.d": "", "a.b.c": ""} {
		if got, ok := dig(doc, path); string(got) != want || ok != (want != "") {
			t.Errorf("%s is %s", path, got)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var end tail
	for range 1000 {
		if n, err := end.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := end.Write([]byte("the end")); err != nil || len(end.text) != 2000 || !strings.HasSuffix(string(end.text), "9the end") {
		t.Errorf("it kept %d bytes: …%s", len(end.text), end.text[max(0, len(end.text)-20):])
	}
}
