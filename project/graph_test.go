package project

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// graph makes a project of "name: reads reads #tag" lines, linked by a parser that knows only FROM.
func graph(t interface{ Fatal(...any) }, lines ...string) (*Project, error) {
	p := &Project{}
	for _, line := range lines {
		name, reads, _ := strings.Cut(line, ":")
		file := "pipelines/" + strings.ReplaceAll(name, ".", "/") + ".sql"
		text := "/* @twice\nwrite: publish\ninputs: {given: {table: raw}}\n*/\nselect 1"
		var tags []string
		for _, word := range strings.Fields(reads) {
			if tag, ok := strings.CutPrefix(word, "#"); ok {
				tags = append(tags, tag)
				continue
			}
			text += "\nfrom " + word
		}
		pl, errs := Parse(file, text, env())
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		pl.Tags = tags
		p.Pipelines = append(p.Pipelines, pl)
	}
	slices.SortFunc(p.Pipelines, byName)
	return p, p.Link(froms)
}

var fromWord = regexp.MustCompile(`from (\S+)`)

func froms(pl *twice.Pipeline) ([]engine.TableRef, error) {
	var refs []engine.TableRef
	for _, m := range fromWord.FindAllStringSubmatchIndex(pl.SQL, -1) {
		refs = append(refs, engine.TableRef{Table: ParseTable(pl.SQL[m[2]:m[3]]), At: m[2]})
	}
	return refs, nil
}

func names(pls []*twice.Pipeline) string {
	var ns []string
	for _, pl := range pls {
		ns = append(ns, pl.Name)
	}
	return strings.Join(ns, " ")
}

func TestLinkMatchesNames(t *testing.T) {
	p, err := graph(t, "daily:", "mart.daily: DAILY", "a: main.Daily public.daily", "b: mart.DAILY other.daily", "given:", "c: given main.given")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"mart.daily": "daily", "a": "daily", "b": "mart.daily", "c": "given", "daily": ""} {
		if got := strings.Join(p.Pipeline(name).Upstreams, " "); got != want {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
	p, err = graph(t, "given:", "c: given")
	if err != nil || len(p.Pipeline("c").Upstreams) != 0 {
		t.Errorf("an input's name is taken for a pipeline's table: %v, %v", p.Pipeline("c").Upstreams, err)
	}
}

func TestLinkShowsCycles(t *testing.T) {
	_, err := graph(t, "a: given c", "b: a", "c: b", "d: d", "e: a f", "f: e")
	want := "pipelines/a.sql:7: the pipelines read each other in a circle: a -> c -> b -> a\n" +
		"pipelines/e.sql:7: the pipelines read each other in a circle: e -> f -> e"
	if err == nil || err.Error() != want || twice.ExitCode(err) != twice.ExitProject {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestLinkPlacesParserErrors(t *testing.T) {
	p, _ := graph(t, "a:", "b:")
	err := p.Link(func(pl *twice.Pipeline) ([]engine.TableRef, error) {
		if pl.Name == "a" {
			return nil, fmt.Errorf("parse: %w", &twice.Error{Code: "syntax", Message: "near x", Line: 2})
		}
		return nil, nil
	})
	if err == nil || err.Error() != "pipelines/a.sql:6: near x" {
		t.Errorf("got %v", err)
	}
}

func TestUndeclaredAndOwnTable(t *testing.T) {
	p, err := graph(t, "a: given nobody b A main.a", "b:")
	if err != nil {
		t.Fatal(err)
	}
	a := p.Pipeline("a")
	refs, _ := froms(a)
	refs = append(refs, engine.TableRef{Table: twice.Table{Name: "b"}, Catalog: "elsewhere", At: -1})
	undeclared := p.Undeclared(a, refs)
	if len(undeclared) != 2 || undeclared[0].Table.Name != "nobody" || LineAt(a, undeclared[0].At) != 7 || undeclared[1].Catalog == "" {
		t.Errorf("undeclared: %+v", undeclared)
	}
	if own := p.OwnTable(a, refs); len(own) != 2 || LineAt(a, own[0].At) != 9 {
		t.Errorf("own table: %+v", own)
	}
}

func TestOrder(t *testing.T) {
	p, err := graph(t, "a: z", "b:", "c: a b", "z:", "y: z")
	if err != nil {
		t.Fatal(err)
	}
	if got := names(p.Order()); got != "b z a c y" {
		t.Errorf("order is %s", got)
	}
}

// Checks are no reading: two pipelines may look into each other's tables.
func TestOrderOfChecks(t *testing.T) {
	p, err := graph(t, "a:", "b:", "c:", "d: c")
	if err != nil {
		t.Fatal(err)
	}
	look := func(from, to string) {
		p.Pipeline(from).Checks = []twice.Check{{Relationships: &twice.Relationship{To: p.Pipeline(to).Table}}}
	}
	look("a", "d")
	look("b", "c")
	if got := names(p.Order()); got != "c b d a" {
		t.Errorf("order is %s", got)
	}
	look("c", "b")
	if got := len(p.Order()); got != 4 {
		t.Errorf("where two look into each other's tables, the order has %d of 4 pipelines", got)
	}
}

func TestOrderIsUpstreamFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		perm := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}).Draw(t, "names")[:n]
		lines := make([]string, n)
		for i := range lines {
			lines[i] = perm[i] + ":"
			for j := range i {
				if rapid.Bool().Draw(t, "edge") {
					lines[i] += " " + perm[j]
				}
			}
		}
		p, err := graph(t, lines...)
		if err != nil {
			t.Fatal(err)
		}
		done := map[string]bool{}
		for _, pl := range p.Order() {
			for _, up := range pl.Upstreams {
				if !done[up] {
					t.Fatalf("%s comes before %s, which it reads", pl.Name, up)
				}
			}
			done[pl.Name] = true
		}
		if len(done) != n {
			t.Fatalf("%d of %d pipelines are in the order", len(done), n)
		}
	})
}

func TestSelect(t *testing.T) {
	p, err := graph(t, "raw: #in", "other: #in", "stage: raw", "mart.daily: stage #out", "mart.weekly: mart.daily other #out")
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                   "other raw stage mart.daily mart.weekly",
		"stage":              "stage",
		"+stage":             "raw stage",
		"stage+":             "stage mart.daily mart.weekly",
		"+mart.daily+":       "raw stage mart.daily mart.weekly",
		"tag:in":             "other raw",
		"+tag:out":           "other raw stage mart.daily mart.weekly",
		"mart.weekly raw":    "raw mart.weekly",
		"stage tag:in stage": "other raw stage",
	} {
		got, err := p.Select(strings.Fields(args))
		if err != nil || names(got) != want {
			t.Errorf("select %q gives %q (%v), want %q", args, names(got), err, want)
		}
	}
	_, err = p.Select([]string{"mart.dayly", "tag:on", "stage"})
	want := "there is no pipeline \"mart.dayly\"; did you mean \"mart.daily\"?\nthere is no tag \"on\"; did you mean \"in\"?"
	if err == nil || err.Error() != want || twice.ExitCode(err) != twice.ExitProject {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
