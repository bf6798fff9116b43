package twice

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	var outside, upstream []Pin
	for _, p := range m.Inputs {
		if len(p.Upstreams) > 0 {
			upstream = append(upstream, p)
			continue
		}
		p.Files = append([]File(nil), p.Files...)
		for i := range p.Files {
			p.Files[i].ModAt = time.Time{}
		}
		if p.Capture != nil {
			p.Capture = &File{SHA256: p.Capture.SHA256, Size: p.Capture.Size}
		}
		outside = append(outside, p)
	}
	return digest(outside) + "." + digest(upstream)
}

func digest(pins []Pin) string {
	b, err := json.Marshal(pins)
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	sum := sha256.Sum256(b)
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
