package twice

import (
	"testing"
	"time"
)

func sample() Manifest {
	return Manifest{Inputs: []Pin{
		{Name: "a", Kind: "files", Files: []File{{Path: "a.csv", Size: 3, SHA256: "aa", ModAt: time.Unix(1, 0)}}},
		{Name: "b", Kind: "postgres", Capture: &File{Path: "captures/x", Size: 4, SHA256: "bb", ModAt: time.Unix(2, 0)}},
		{Name: "c", Kind: "pipeline", Upstreams: []Upstream{{Pipeline: "c", Fingerprint: "01", Rows: 1}}},
		{Name: "d", Kind: "kafka", Offsets: []OffsetSpan{{Topic: "t", From: 1, To: 2}}},
	}}
}

func TestManifestDigest(t *testing.T) {
	base := sample().Digest()
	for what, change := range map[string]func(m *Manifest){
		"file time":            func(m *Manifest) { m.Inputs[0].Files[0].ModAt = time.Unix(9, 0) },
		"capture time":         func(m *Manifest) { m.Inputs[1].Capture.ModAt = time.Unix(9, 0) },
		"place of the capture": func(m *Manifest) { m.Inputs[1].Capture.Path = "elsewhere" },
	} {
		m := sample()
		change(&m)
		if m.Digest() != base {
			t.Errorf("the %s counts", what)
		}
	}
	for what, change := range map[string]func(m *Manifest){
		"content":     func(m *Manifest) { m.Inputs[0].Files[0].SHA256 = "ab" },
		"path":        func(m *Manifest) { m.Inputs[0].Files[0].Path = "b.csv" },
		"capture":     func(m *Manifest) { m.Inputs[1].Capture.SHA256 = "bc" },
		"fingerprint": func(m *Manifest) { m.Inputs[2].Upstreams[0].Fingerprint = "02" },
		"offsets":     func(m *Manifest) { m.Inputs[3].Offsets[0].To = 3 },
		"inputs":      func(m *Manifest) { m.Inputs = m.Inputs[:3] },
	} {
		m := sample()
		change(&m)
		if m.Digest() == base {
			t.Errorf("the %s does not count", what)
		}
	}
	m := sample()
	m.Digest()
	if m.Inputs[0].Files[0].ModAt.IsZero() || m.Inputs[1].Capture.Path == "" {
		t.Error("Digest changes the manifest")
	}
	if m.Pin("b") != &m.Inputs[1] || m.Pin("x") != nil {
		t.Error("Pin does not find by name")
	}
}
