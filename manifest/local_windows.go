package manifest

import "os"

// hold has nothing to do: Windows removes no file that is open.
func hold(*os.File) error { return nil }

func removeAbandoned(name string) { os.Remove(name) }

// rename gives a file its name. What is open cannot be renamed here; if a sweep comes in between, Put fails.
func rename(f *os.File, name string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// syncFolder has nothing to do: NTFS journals names, and a folder cannot be flushed.
func syncFolder(string) error { return nil }
