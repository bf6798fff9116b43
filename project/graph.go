package project

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Link fills the pipelines' Upstreams. Tables gives the relations that a pipeline's SQL reads, as the engine's parser
// finds them, with offsets into pl.SQL. The error is a twice.Errors: SQL that does not parse, and each cycle as a path.
func (p *Project) Link(tables func(pl *twice.Pipeline) ([]engine.TableRef, error)) error {
	var errs twice.Errors
	owners := p.owners()
	lines := map[string]int{} // of a reading: "reader reads upstream"
	for _, pl := range p.Pipelines {
		refs, err := tables(pl)
		if err != nil {
			errs = append(errs, placed(err, pl)...)
			continue
		}
		upstreams := map[string]bool{}
		for _, ref := range refs {
			owner := reads(pl, ref, owners)
			if owner == nil || owner == pl {
				continue // an input, or lint's to judge
			}
			upstreams[owner.Name] = true
			if key := pl.Name + " " + owner.Name; lines[key] == 0 {
				lines[key] = LineAt(pl, ref.At)
			}
		}
		pl.Upstreams = slices.Sorted(maps.Keys(upstreams))
	}
	for _, cycle := range p.cycles() {
		first := p.Pipeline(cycle[0])
		errs = append(errs, twice.Errorf("cycle", "the pipelines read each other in a circle: %s",
			strings.Join(append(cycle, cycle[0]), " -> ")).At(first.File, lines[cycle[0]+" "+cycle[1%len(cycle)]]).
			WithNext("take one of these readings out; what both need can be a pipeline of its own"))
	}
	sortErrors(errs)
	return errs.Err()
}

// reads is the pipeline whose table a reference means, or nil. An input's name goes first.
func reads(pl *twice.Pipeline, ref engine.TableRef, owners map[string]*twice.Pipeline) *twice.Pipeline {
	if isInput(pl, ref) || ref.Catalog != "" {
		return nil
	}
	return owners[tableKey(ref.Table)]
}

func isInput(pl *twice.Pipeline, ref engine.TableRef) bool {
	t := ref.Table
	return t.Schema == "" && ref.Catalog == "" && slices.ContainsFunc(pl.Inputs, func(in twice.Input) bool {
		return strings.EqualFold(in.Name, t.Name)
	})
}

// placed turns a parser's errors, whose lines count from the start of the SQL, into errors of the file. That the target
// could not be asked is no error of the file.
func placed(err error, pl *twice.Pipeline) twice.Errors {
	var many twice.Errors
	if !errors.As(err, &many) {
		many = twice.Errors{twice.AsError(err)}
	}
	at := make(twice.Errors, len(many))
	for i, e := range many {
		moved := *e
		at[i] = &moved
		if e.Code == "connection-lost" || e.Code == "server-down" {
			moved.Exit = twice.ExitFailed
			continue
		}
		if moved.File == "" {
			moved.File, moved.Line = pl.File, pl.Line+max(e.Line, 1)-1
		}
		moved.Exit = twice.ExitProject
	}
	return at
}

// Undeclared lists the relations among refs that are neither an input of pl nor a pipeline's table, pl's own included.
func (p *Project) Undeclared(pl *twice.Pipeline, refs []engine.TableRef) []engine.TableRef {
	owners := p.owners()
	return slices.DeleteFunc(slices.Clone(refs), func(ref engine.TableRef) bool {
		return isInput(pl, ref) || reads(pl, ref, owners) != nil
	})
}

// OwnTable lists the places among refs where pl reads the table that it fills.
func (p *Project) OwnTable(pl *twice.Pipeline, refs []engine.TableRef) []engine.TableRef {
	own := map[string]*twice.Pipeline{tableKey(pl.Table): pl}
	return slices.DeleteFunc(slices.Clone(refs), func(ref engine.TableRef) bool { return reads(pl, ref, own) == nil })
}

// cycles finds one cycle for each group of pipelines that read each other, beginning with its first name.
func (p *Project) cycles() [][]string {
	const (
		open = iota + 1
		done
	)
	state := map[string]int{}
	var path []string
	var found [][]string
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		path = append(path, name)
		for _, up := range p.Pipeline(name).Upstreams {
			switch state[up] {
			case 0:
				visit(up)
			case open:
				found = append(found, fromLeast(path[slices.Index(path, up):]))
			}
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, pl := range p.Pipelines {
		if state[pl.Name] == 0 {
			visit(pl.Name)
		}
	}
	return found
}

// fromLeast turns a cycle so that it begins with its first name.
func fromLeast(cycle []string) []string {
	i := slices.Index(cycle, slices.Min(cycle))
	return slices.Concat(cycle[i:], cycle[:i])
}

// Order lists the pipelines upstream first; where that leaves a choice, those first into whose tables others' checks look,
// and then by name. Link must have gone well.
func (p *Project) Order() []*twice.Pipeline {
	waits := map[string]int{}
	downs := p.downstreams()
	var ready []string
	for _, pl := range p.Pipelines {
		waits[pl.Name] = len(pl.Upstreams)
		if len(pl.Upstreams) == 0 {
			ready = append(ready, pl.Name)
		}
	}
	order := make([]*twice.Pipeline, 0, len(p.Pipelines))
	for len(ready) > 0 {
		i := max(0, slices.IndexFunc(ready, func(name string) bool { return !p.awaits(name, order) }))
		name := ready[i]
		ready = slices.Delete(ready, i, i+1)
		order = append(order, p.Pipeline(name))
		for _, down := range downs[name] {
			if waits[down]--; waits[down] == 0 {
				at, _ := slices.BinarySearch(ready, down)
				ready = slices.Insert(ready, at, down)
			}
		}
	}
	return order
}

// awaits says whether the checks of a pipeline look into the table of one that is not among done.
func (p *Project) awaits(name string, done []*twice.Pipeline) bool {
	pl := p.Pipeline(name)
	return slices.ContainsFunc(p.Pipelines, func(other *twice.Pipeline) bool {
		return pl.Awaits(other) && !slices.Contains(done, other)
	})
}

func (p *Project) downstreams() map[string][]string {
	downs := map[string][]string{}
	for _, pl := range p.Pipelines {
		for _, up := range pl.Upstreams {
			downs[up] = append(downs[up], pl.Name)
		}
	}
	return downs
}
