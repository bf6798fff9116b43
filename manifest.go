package twice

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Manifest is exactly what a window's inputs resolved to. It is recorded before the work starts.
type Manifest struct {
	Inputs []Pin `json:"inputs"` // sorted by name
}

// Pin is what one input resolved to.
type Pin struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"` // "files", "pipeline", "table", "postgres", "mysql", "command", "http", "kafka", "log"
	Files     []File       `json:"files,omitempty"`
	Upstreams []Upstream   `json:"upstreams,omitempty"`
	Capture   *File        `json:"capture,omitempty"` // the captured bytes, by their SHA-256
	Source    string       `json:"source,omitempty"`  // of a capture: Input.Digest of what was asked
	Offsets   []OffsetSpan `json:"offsets,omitempty"`
	Schemas   []int        `json:"schemas,omitempty"` // a registry's ids of those that the records were written with
}

// File is a file's identity: two Files with equal SHA256 hold the same bytes.
type File struct {
	Path   string    `json:"path"` // as it is opened: absolute, or relative to the project's folder
	Size   int64     `json:"size"` // bytes
	SHA256 string    `json:"sha256"`
	ModAt  time.Time `json:"mod_at"` // a hint for reuse of the hash; not part of the identity
}

// Upstream is the state of another pipeline's table, or of a table of the target, that the window reads.
type Upstream struct {
	Pipeline    string `json:"pipeline"`
	Window      string `json:"window,omitempty"` // Window.Key of the upstream window
	Fingerprint string `json:"fingerprint"`
	Rows        int64  `json:"rows"`
}

// OffsetSpan is the half-open range [From, To) of one partition.
type OffsetSpan struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
}

// Digest identifies the content of m: equal digests mean equal inputs. File times do not count. It has two parts with a
// dot between, one for what comes from outside and one for what comes from other tables of the target, so that two
// digests tell which of them changed.
func (m Manifest) Digest() string {
	var outside, upstream hashed
	for i := range m.Inputs {
		if p := &m.Inputs[i]; len(p.Upstreams) > 0 {
			upstream.pin(p)
		} else {
			outside.pin(p)
		}
	}
	return outside.sum() + "." + upstream.sum()
}

// hashed is what counts of some pins: each text and each list with its length before it, so that no two lists of pins
// give the same bytes.
type hashed []byte

func (h *hashed) pin(p *Pin) {
	h.text(p.Name, p.Kind, p.Source)
	h.number(int64(len(p.Files)))
	for i := range p.Files {
		h.file(&p.Files[i])
	}
	h.number(int64(len(p.Upstreams)))
	for _, u := range p.Upstreams {
		h.text(u.Pipeline, u.Window, u.Fingerprint)
		h.number(u.Rows)
	}
	if p.Capture == nil {
		h.number(0)
	} else {
		h.number(1)
		h.file(&File{SHA256: p.Capture.SHA256, Size: p.Capture.Size})
	}
	h.number(int64(len(p.Offsets)))
	for _, o := range p.Offsets {
		h.text(o.Topic)
		h.number(int64(o.Partition), o.From, o.To)
	}
	h.number(int64(len(p.Schemas)))
	for _, id := range p.Schemas {
		h.number(int64(id))
	}
}

func (h *hashed) file(f *File) {
	h.text(f.Path, f.SHA256)
	h.number(f.Size)
}

func (h *hashed) text(texts ...string) {
	for _, s := range texts {
		h.number(int64(len(s)))
		*h = append(*h, s...)
	}
}

func (h *hashed) number(ns ...int64) {
	for _, n := range ns {
		*h = binary.AppendVarint(*h, n)
	}
}

func (h *hashed) sum() string {
	sum := sha256.Sum256(*h)
	return hex.EncodeToString(sum[:16])
}

// Pin finds an input's pin by name, or nil.
func (m Manifest) Pin(name string) *Pin {
	for i := range m.Inputs {
		if m.Inputs[i].Name == name {
			return &m.Inputs[i]
		}
	}
	return nil
}
