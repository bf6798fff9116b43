package twice

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var march = Window{time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2020, 3, 2, 0, 0, 0, 500_000_000, time.UTC)}

func TestCanonicalSame(t *testing.T) {
	for _, pair := range [][2]string{
		{"select a, b from t", "select a,\n  b -- the names\nfrom t;"},
		{"select count(*) from t", "select count( * )\nfrom t ; "},
		{"select a+1", "select a + 1"},
		{"select a from t", "/* why */ select /* and /* nested */ */ a from t"},
		{"select a", "select\ta\r\n"},
		{"select $start::date", "select $start :: date"},
		{"select 'a;' ", "select 'a;';"},
	} {
		if a, b := Canonical(pair[0]), Canonical(pair[1]); a != b {
			t.Errorf("different code for one meaning:\n%q\n%q", a, b)
		}
	}
}

func TestCanonicalDiffers(t *testing.T) {
	for _, pair := range [][2]string{
		{"select 'a b'", "select 'a  b'"},
		{"select 'a -- b'", "select 'a '"},
		{"select '/* x */'", "select ''"},
		{`select "a b"`, `select "a  b"`},
		{"select $$a  b$$", "select $$a b$$"},
		{"select $x$ -- $$ $x$", "select $x$  -- $$ $x$"},
		{"select a b", "select ab"},
		{"select - -1", "select --1"},
		{"select a < = b", "select a <= b"},
		{"select 1 .5", "select 1.5"},
		{"select e 'x'", "select e'x'"},
		{"select u & 'x'", "select u&'x'"},
		{`select 'it''s  b'`, `select 'it''s b'`},
		{`select e'\'  b'`, `select e'\' b'`},
	} {
		if a, b := Canonical(pair[0]), Canonical(pair[1]); a == b {
			t.Errorf("%q and %q have the same code %q", pair[0], pair[1], a)
		}
	}
}

func TestCanonicalIgnoresSpaceAndComments(t *testing.T) {
	pieces := []string{"select", "a1", "$start", "'x -- y'", `"col umn"`, "$q$ /* $q$", "e'\\''", ",", "(", ")", "+"}
	gaps := []string{" ", "\n", "\t ", "-- it's\n", "/* \" */", " /* /* '$$ */ */ ", "\r\n"}
	rapid.Check(t, func(t *rapid.T) {
		var one, other strings.Builder
		for _, piece := range rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces") {
			one.WriteString(piece + " ")
			other.WriteString(piece + rapid.SampledFrom(gaps).Draw(t, "gap"))
		}
		a, b := Canonical(one.String()), Canonical(other.String())
		if a != b {
			t.Fatalf("%q became %q\n%q became %q", one.String(), a, other.String(), b)
		}
		if again := Canonical(a); again != a {
			t.Fatalf("Canonical is not idempotent: %q became %q", a, again)
		}
	})
}

func TestBind(t *testing.T) {
	for _, test := range []struct{ sql, want string }{
		{"select $start::date, $end", "select TIMESTAMP '2020-03-01 00:00:00'::date, TIMESTAMP '2020-03-02 00:00:00.5'"},
		{"select '$start', \"$end\", $$ $start $$ -- $nope", "select '$start', \"$end\", $$ $start $$"},
		{"select a$start, 1 /* $x */ from t;\n-- end", "select a$start, 1 /* $x */ from t"},
		{"select 1 ; ; ", "select 1"},
	} {
		got, err := Bind(test.sql, march)
		if err != nil {
			t.Errorf("Bind(%q): %v", test.sql, err)
		} else if got != test.want {
			t.Errorf("Bind(%q)\n got %q\nwant %q", test.sql, got, test.want)
		}
	}
}

func TestBindRefuses(t *testing.T) {
	for _, test := range []struct {
		sql  string
		w    Window
		code string
	}{
		{"select $begin", march, "unknown-parameter"},
		{"select $1", march, "unknown-parameter"},
		{"select $start", Window{}, "no-window"},
	} {
		if _, err := Bind(test.sql, test.w); err == nil || AsError(err).Code != test.code {
			t.Errorf("Bind(%q): %v, want the code %s", test.sql, err, test.code)
		}
	}
}

func TestParamsTellOffsets(t *testing.T) {
	sql := "select '$no', $start, $end"
	ps := Params(sql)
	if len(ps) != 2 || ps[0].Name != "start" || sql[ps[0].At:ps[0].At+6] != "$start" || sql[ps[1].At:] != "$end" {
		t.Errorf("parameters of %q are %v", sql, ps)
	}
}

func FuzzTokens(f *testing.F) {
	for _, seed := range []string{"select 'a", "/* /* */", "$$", "$a$ $a", "e'\\", "a$b", "\xff$x", "-- x", "$1$2$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		var b strings.Builder
		for _, token := range tokens(sql) {
			if token.text == "" || token.at != b.Len() {
				t.Fatalf("token %q at %d of %q", token.text, token.at, sql)
			}
			b.WriteString(token.text)
		}
		if b.String() != sql {
			t.Fatalf("the tokens of %q make %q", sql, b.String())
		}
		bound, err := Bind(sql, march)
		if err == nil && len(Params(bound)) != 0 {
			t.Fatalf("Bind(%q) left parameters in %q", sql, bound)
		}
		Canonical(sql)
	})
}
