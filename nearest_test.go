package twice

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"time_column", "timezone", "table", "tags"}
	for got, want := range map[string]string{
		"time_colum": "time_column", "TIME_COLUMN": "time_column", "tiem_column": "time_column", "tabel": "table",
		"something": "", "": "",
	} {
		if near := Nearest(got, known); near != want {
			t.Errorf("the nearest to %q is %q, want %q", got, near, want)
		}
	}
}
