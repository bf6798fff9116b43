package diff

import "testing"

func FuzzShow(f *testing.F) {
	for _, text := range []string{"3:abc", "2:1,-,", "-9223372036854775808", "1:1:a,", "99:a", "t"} {
		for _, kind := range []string{"text", "[]text", "[][]number", "date", "timestamptz", "float4", "boolean", "own"} {
			f.Add(kind, text)
		}
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		if show(kind, &text) == nil {
			t.Fatal("a value is shown as NULL")
		}
	})
}

func TestShow(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"text", "5:a:b,c", "a:b,c"},
		{"text", "9:cut", "9:cut"},
		{"[]text", "2:1:,,-,", "[,, NULL]"},
		{"[]text", "[1:2][1:1]2:1:a,1:b,", "[1:2][1:1]2:1:a,1:b,"},
		{"[][]number", "2:1:7,,0:,", "[[7], []]"},
		{"date", "-1", "1969-12-31"},
		{"float8", "4609434218613702656", "1.5"},
		{"float4", "1069547520", "1.5"},
		{"timestamp", "1577836800123456789ns", "1577836800123456789ns"},
	} {
		if got := *show(c.kind, &c.text); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.kind, c.text, got, c.want)
		}
	}
	if show("text", nil) != nil {
		t.Error("NULL is shown as a value")
	}
}
