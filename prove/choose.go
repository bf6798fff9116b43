package prove

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/manifest"
)

// mostCandidates is how many windows are looked at to choose from. Of longer calendars the ends, and windows spread evenly
// between them, are.
const mostCandidates = 200

// chooser picks the windows that a law is tried on.
type chooser struct {
	*scratch
	all   map[string]*twice.Pipeline
	files map[string]*manifest.Files
	sizes map[string]map[string]int64 // pipeline -> window -> bytes of input; -1: not there yet
}

func newChooser(sc *scratch) *chooser {
	c := &chooser{scratch: sc, all: map[string]*twice.Pipeline{}, files: map[string]*manifest.Files{}, sizes: map[string]map[string]int64{}}
	for _, p := range sc.Pipelines {
		c.all[p.Name] = p
	}
	return c
}

// windows are those of p that are likely to tell something: the first ones, which adjoin each other, the last, those with
// the most and the least input, and one in the middle.
func (c *chooser) windows(ctx context.Context, p *twice.Pipeline) ([]twice.Window, error) {
	if !p.Windowed() {
		return []twice.Window{{}}, nil
	}
	from, to := p.Calendar.Begin, c.Now
	if !c.Start.IsZero() {
		from = c.Start
	}
	if !c.End.IsZero() && c.End.Before(to) {
		to = c.End
	}
	var ready []twice.Window
	var sizes []int64
	for _, w := range spread(p.Calendar.Range(from, to), c.BatchOf(p)) {
		size, err := c.size(ctx, p, w)
		if err != nil {
			return nil, err
		}
		if size >= 0 {
			ready, sizes = append(ready, w), append(sizes, size)
		}
	}
	return pick(ready, sizes, c.Windows, c.BatchOf(p), rand.New(rand.NewPCG(uint64(c.Seed), 1))), nil
}

// BatchOf is how many adjoining windows are worth having.
func (c *chooser) BatchOf(p *twice.Pipeline) int { return min(max(p.BatchSize, 2), 3) }

// spread thins a long list out. Its first block stays whole.
func spread(ws []twice.Window, block int) []twice.Window {
	if len(ws) <= mostCandidates {
		return ws
	}
	thin := slices.Clone(ws[:block])
	for i := range mostCandidates {
		at := block + i*(len(ws)-1-block)/(mostCandidates-1)
		thin = append(thin, ws[at])
	}
	return slices.CompactFunc(thin, func(a, b twice.Window) bool { return a.Key() == b.Key() })
}

func pick(ws []twice.Window, sizes []int64, n, block int, chance *rand.Rand) []twice.Window {
	if len(ws) <= n {
		return ws
	}
	var order []int
	for i := range min(block, n) {
		order = append(order, i)
	}
	heaviest, lightest := 0, 0
	for i, s := range sizes {
		if s > sizes[heaviest] {
			heaviest = i
		}
		if s < sizes[lightest] {
			lightest = i
		}
	}
	order = append(order, len(ws)-1, heaviest, lightest, len(ws)/2)
	for len(order) < 4*n {
		order = append(order, chance.IntN(len(ws)))
	}
	chosen := map[int]bool{}
	for _, i := range order {
		if len(chosen) < n {
			chosen[i] = true
		}
	}
	var picked []twice.Window
	for i, w := range ws {
		if chosen[i] {
			picked = append(picked, w)
		}
	}
	return picked
}

// size is the number of bytes in the files that p and what it reads take for w, or -1 when something is not there.
func (c *chooser) size(ctx context.Context, p *twice.Pipeline, w twice.Window) (int64, error) {
	if c.sizes[p.Name] == nil {
		c.sizes[p.Name] = map[string]int64{}
	}
	if n, ok := c.sizes[p.Name][w.Key()]; ok {
		return n, nil
	}
	total, err := c.weigh(ctx, p, w)
	if err != nil {
		return 0, err
	}
	c.sizes[p.Name][w.Key()] = total
	return total, nil
}

func (c *chooser) weigh(ctx context.Context, p *twice.Pipeline, w twice.Window) (int64, error) {
	total := int64(0)
	pins, err := c.pins(ctx, p, w)
	switch {
	case manifest.IsWaiting(err):
		return -1, nil
	case err != nil:
		return 0, err
	}
	for _, pin := range pins {
		for _, f := range pin.Files {
			total += f.Size
		}
	}
	for _, name := range p.Upstreams {
		up := c.all[name]
		if !up.Windowed() || w.IsWhole() {
			continue
		}
		for _, v := range up.Calendar.Overlapping(w) {
			n, err := c.size(ctx, up, v)
			if err != nil || n < 0 {
				return n, err
			}
			total += n
		}
	}
	return total, nil
}

// pins resolves the file inputs of one window of p in the real project.
func (c *chooser) pins(ctx context.Context, p *twice.Pipeline, w twice.Window) ([]twice.Pin, error) {
	if c.files[p.Name] == nil {
		c.files[p.Name] = &manifest.Files{Dir: c.Dir, Source: p.File, Zone: p.Calendar.Zone, Env: c.Env}
	}
	var pins []twice.Pin
	for i := range p.Inputs {
		if p.Inputs[i].Files == nil {
			continue
		}
		pin, err := c.files[p.Name].Resolve(ctx, &p.Inputs[i], []twice.Window{w})
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// family is p and everything that it reads, upstream first.
func (c *chooser) family(p *twice.Pipeline) []*twice.Pipeline {
	wanted := map[string]bool{}
	var want func(name string)
	want = func(name string) {
		if !wanted[name] {
			wanted[name] = true
			for _, up := range c.all[name].Upstreams {
				want(up)
			}
		}
	}
	want(p.Name)
	var list []*twice.Pipeline
	for _, q := range c.Pipelines {
		if wanted[q.Name] {
			list = append(list, q)
		}
	}
	return list
}

// needed lists the windows of the whole family that the chosen windows of its last member take.
func (c *chooser) needed(ctx context.Context, family []*twice.Pipeline, chosen []twice.Window) (map[string][]twice.Window, error) {
	need := map[string][]twice.Window{family[len(family)-1].Name: chosen}
	for i := len(family) - 1; i >= 0; i-- {
		reader := family[i]
		for _, name := range reader.Upstreams {
			up := c.all[name]
			switch {
			case !up.Windowed():
				need[name] = []twice.Window{{}}
			case !reader.Windowed():
				ws, err := c.windows(ctx, up)
				if err != nil {
					return nil, err
				}
				need[name] = append(need[name], ws...)
			default:
				for _, w := range need[reader.Name] {
					need[name] = append(need[name], up.Calendar.Overlapping(w)...)
				}
			}
		}
	}
	for name, ws := range need {
		slices.SortFunc(ws, func(a, b twice.Window) int { return a.Start.Compare(b.Start) })
		need[name] = slices.CompactFunc(ws, func(a, b twice.Window) bool { return a.Key() == b.Key() })
	}
	return need, nil
}

// outside is where in a scratch project files lie whose real place is not inside the project.
const outside = "outside"

// place is where a real input's file is found in a scratch project's folder.
func (c *chooser) place(path string) string {
	switch {
	case filepath.IsLocal(path):
		return path
	case filepath.IsAbs(path):
		return outside + path
	default:
		return outside + filepath.Join(c.Dir, path)
	}
}

// within makes a path template of the real project, with its variables looked up, one of the scratch project.
func (c *chooser) within(path string) string {
	expanded := os.Expand(path, func(name string) string {
		v, _ := c.Env(name)
		return v
	})
	if filepath.IsLocal(expanded) {
		return path
	}
	if !filepath.IsAbs(expanded) {
		expanded = filepath.Join(c.Dir, expanded)
	}
	return outside + expanded
}
