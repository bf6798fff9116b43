package manifest

import (
	"fmt"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/lestrrat-go/strftime"

	"github.com/twice-data/twice"
)

// Template is a path with placeholders: {start:FORMAT} and {end:FORMAT} are the window's bounds in strftime's verbs,
// ${VAR} is a variable of the environment, and *, ?, [..] and ** are globs, which a backslash takes literally. Any other
// brace stands for itself. What a placeholder or a variable inserts is never taken as a glob.
type Template struct {
	parts    []part
	windowed bool
	glob     bool
}

// part is one of: text, a bound of the window, a variable.
type part struct {
	text   string // as it is used: a pattern if the template has globs, otherwise plain
	end    bool   // the window's end instead of its start
	format *strftime.Strftime
	env    string
}

// ParsePath reads a template. What is wrong with it is an *twice.Error with the code "bad-path" and without a place.
func ParsePath(path string) (Template, error) {
	var t Template
	switch {
	case path == "":
		return t, badPath("the path is empty")
	case strings.ContainsRune(path, 0):
		return t, badPath("the path %q has a NUL byte", path)
	case strings.Contains(path, "://"):
		return t, badPath("%s is not a path of this machine", path).
			WithNext("give a local path; bytes from elsewhere come in through http: or command:")
	}
	for rest := path; rest != ""; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		variable := i > 0 && rest[i-1] == '$'
		body, after, closed := strings.Cut(rest[i+1:], "}")
		p, found, err := placeholder(path, body, variable, closed)
		if err != nil {
			return Template{}, err
		}
		if !found { // a brace that stands for itself
			t.parts = append(t.parts, part{text: rest[:i+1]})
			rest = rest[i+1:]
			continue
		}
		before := rest[:i]
		if variable {
			before = rest[:i-1]
		}
		t.parts = append(t.parts, part{text: before}, p)
		t.windowed = t.windowed || p.format != nil
		rest = after
	}
	return t, t.settle(path)
}

// placeholder reads what stands between braces, if it is a placeholder or must have been meant as one.
func placeholder(path, body string, variable, closed bool) (p part, found bool, err error) {
	name, format, formatted := strings.Cut(body, ":")
	bound := name == "start" || name == "end"
	switch {
	case variable && closed && isName(body):
		return part{env: body}, true, nil
	case variable:
		return p, false, badPath("the path %s has a ${ that is not a variable's name in braces", path)
	case bound && !closed:
		return p, false, badPath("the path %s has {%s without a closing brace", path, name)
	case bound && (!formatted || format == ""):
		return p, false, badPath("the path %s has {%s} without a format", path, name).WithNext("write {%s:%%Y-%%m-%%d}", name)
	case bound:
		f, err := strftime.New(format)
		if err != nil {
			return p, false, badPath("the path %s has {%s}: %v", path, body, err).
				WithNext("use the verbs of strftime, such as %%Y %%m %%d %%H %%j %%G %%V")
		}
		return part{format: f, end: name == "end"}, true, nil
	case closed && isName(name) && strings.Contains(format, "%"):
		return p, false, badPath("the path %s has {%s}, and a window has no %q", path, body, name).
			WithNext("write {start:%s} or {end:%s}", format, format)
	}
	return p, false, nil
}

// settle makes the text parts what expand puts together: patterns if there is a glob in any of them, else plain text.
func (t *Template) settle(path string) error {
	for _, p := range t.parts {
		t.glob = t.glob || hasGlob(p.text)
	}
	var pattern strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.format != nil || p.env != "":
			pattern.WriteByte('x')
		case t.glob:
			p.text = braces.Replace(p.text)
			pattern.WriteString(p.text)
		default:
			p.text = unescape(p.text)
		}
	}
	if t.glob && !doublestar.ValidatePattern(pattern.String()) {
		return badPath("the path %s is not a valid glob", path).WithNext("close every [ or put a backslash before it")
	}
	return nil
}

// Windowed says whether different windows mean different files.
func (t Template) Windowed() bool { return t.windowed }

// expand is the path, or the pattern if t has globs, that t means for a window.
func (t Template) expand(w twice.Window, zone *time.Location, env func(string) (string, bool)) (string, error) {
	if t.windowed && w.IsWhole() {
		return "", twice.Errorf("no-window", "the path has {start:…} or {end:…} and the pipeline has no windows").
			WithNext("set window: and begin:, or use a glob").WithExit(twice.ExitProject)
	}
	b := make([]byte, 0, 128)
	for _, p := range t.parts {
		from := len(b)
		switch {
		case p.format != nil:
			at := w.Start
			if p.end {
				at = w.End
			}
			b = p.format.FormatBuffer(b, at.In(zone))
		case p.env != "":
			value, ok := "", false
			if env != nil {
				value, ok = env(p.env)
			}
			if !ok || value == "" {
				return "", twice.Errorf("missing-variable", "the environment has no %s", p.env).
					WithNext("export %s=…", p.env).WithExit(twice.ExitProject)
			}
			b = append(b, value...)
		default:
			b = append(b, p.text...)
			continue
		}
		if t.glob {
			b = append(b[:from], escape(string(b[from:]))...)
		}
	}
	return string(b), nil
}

const (
	globBytes  = `*?[`
	globEscape = `*?[]{}\`
)

var braces = strings.NewReplacer(`\{`, `\{`, `\}`, `\}`, `\\`, `\\`, "{", `\{`, "}", `\}`)

// hasGlob says whether s has a glob that no backslash takes literally.
func hasGlob(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if strings.IndexByte(globBytes, s[i]) >= 0 {
			return true
		}
	}
	return false
}

func escape(s string) string {
	if !strings.ContainsAny(s, globEscape) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(globEscape, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func badPath(format string, args ...any) *twice.Error {
	return &twice.Error{Code: "bad-path", Message: fmt.Sprintf(format, args...), Exit: twice.ExitProject}
}
