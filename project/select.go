package project

import (
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// Select lists the pipelines that args ask for, upstream first: all of them without args, otherwise each that is named
// by one of NAME, tag:NAME, +NAME (with its upstreams), NAME+ (with its downstreams). Link must have gone well.
func (p *Project) Select(args []string) ([]*twice.Pipeline, error) {
	if len(args) == 0 {
		return p.Order(), nil
	}
	chosen := map[string]bool{}
	var errs twice.Errors
	downs := p.downstreams()
	for _, arg := range args {
		core, withUp := strings.CutPrefix(arg, "+")
		core, withDown := strings.CutSuffix(core, "+")
		names, err := p.match(core)
		if err != nil {
			errs = append(errs, err)
		}
		for _, name := range names {
			chosen[name] = true
			if withUp {
				reach(name, chosen, func(n string) []string { return p.Pipeline(n).Upstreams })
			}
			if withDown {
				reach(name, chosen, func(n string) []string { return downs[n] })
			}
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return slices.DeleteFunc(p.Order(), func(pl *twice.Pipeline) bool { return !chosen[pl.Name] }), nil
}

func (p *Project) match(core string) ([]string, *twice.Error) {
	var names, known []string
	tag, byTag := strings.CutPrefix(core, "tag:")
	for _, pl := range p.Pipelines {
		if byTag {
			known = append(known, pl.Tags...)
		} else {
			known = append(known, pl.Name)
		}
		if pl.Name == core || byTag && slices.Contains(pl.Tags, tag) {
			names = append(names, pl.Name)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	switch {
	case len(names) > 0:
		return names, nil
	case byTag:
		return nil, unknownName("tag", tag, known)
	default:
		return nil, unknownName("pipeline", core, known)
	}
}

func unknownName(kind, name string, known []string) *twice.Error {
	e := twice.Errorf("unknown-"+kind, "there is no %s %q%s", kind, name, didYouMean(name, known)).
		WithExit(twice.ExitProject)
	if len(known) == 0 {
		return e.WithNext("the project has none")
	}
	if len(known) > 10 {
		known = append(known[:10:10], "…")
	}
	return e.WithNext("choose among %s", strings.Join(known, ", "))
}

// reach adds everything that next leads to from name, however many steps away.
func reach(name string, chosen map[string]bool, next func(string) []string) {
	seen := map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; {
		for _, n := range next(todo[0]) {
			if !seen[n] {
				seen[n], chosen[n] = true, true
				todo = append(todo, n)
			}
		}
		todo = todo[1:]
	}
}
