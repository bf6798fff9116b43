//go:build unix

package manifest

import (
	"os"
	"syscall"
)

// hold marks a file as in use for as long as it is open, by a lock that ends with the process.
func hold(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

func removeAbandoned(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		os.Remove(name)
	}
}

// rename gives a file that is held its name. It is let go only afterwards, so that no sweep comes in between.
func rename(f *os.File, name string) error { return os.Rename(f.Name(), name) }

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
