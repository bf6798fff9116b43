package manifest

import (
	"context"
	"errors"
	"os"

	"github.com/twice-data/twice"
)

// Check says whether the files of a pin still are what it says. Size and modification time decide when both are the
// same and Rehash is not set; otherwise the content does. The Errors are "input-missing" and "input-changed", and
// Resolve's where a file cannot be read.
func (f *Files) Check(ctx context.Context, pin twice.Pin) error {
	for _, want := range pin.Files {
		if err := f.check(ctx, want); err != nil {
			var e *twice.Error
			if errors.As(err, &e) && e.File == "" {
				return e.At(f.Source, 0)
			}
			return err
		}
	}
	return nil
}

func (f *Files) check(ctx context.Context, want twice.File) error {
	abs := f.absolute(want.Path)
	info, err := os.Stat(abs)
	if err != nil {
		err = missing(want.Path, abs, err)
		if isAbsent(err) {
			return twice.Errorf("input-missing", "%s is gone; the manifest has it with sha256 %.12s…", want.Path, want.SHA256).
				WithNext("put it back to replay the manifest, or run without --pinned")
		}
		return err
	}
	if info.Size() != want.Size {
		return twice.Errorf("input-changed", "%s has %d bytes now and %d in the manifest", want.Path, info.Size(), want.Size).
			WithNext("run again to take in what is there now; a replay needs the old bytes back")
	}
	if !f.Rehash && unchanged(want, info) {
		return nil
	}
	got, err := f.identify(ctx, want.Path, nil)
	if isAbsent(err) {
		return f.check(ctx, want)
	}
	if err != nil {
		return err
	}
	if got.SHA256 != want.SHA256 {
		return twice.Errorf("input-changed", "%s has other bytes than in the manifest: sha256 %.12s… now, %.12s… there",
			want.Path, got.SHA256, want.SHA256).
			WithNext("run again to take in what is there now; a replay needs the old bytes back")
	}
	f.remember(got)
	return nil
}
