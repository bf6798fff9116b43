package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// memo keeps, in .twice/memo.json, what the engine's parser said of the pipelines the last time. Asking it costs more
// than everything else that a run without work does. It holds as long as its key: the program, the pipelines, and the
// target's file as this program left it, since views and macros of the target are part of the answer. Losing it costs
// time and nothing else. The scratch targets that "twice prove" gives to its children are copies of each other, which hold
// the same views: for them the pipelines alone count.
type memo struct {
	Key    string                       `json:"key"`
	Tables map[string][]engine.TableRef `json:"tables"` // that each pipeline's SQL reads
	Clean  map[string]bool              `json:"clean"`  // pipelines in which lint found nothing to say
}

func (o *opened) memoPath() string { return filepath.Join(o.Dir, ".twice", "memo.json") }

// memoKey is empty where the target's state cannot be told from a file.
func (o *opened) memoKey() string {
	if o.Target.Path == "" {
		return ""
	}
	target := "scratch"
	if !o.scratch {
		if target = fileState(o.Target.Path); target == "" {
			return ""
		}
	}
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	program, err := os.Stat(self)
	if err != nil {
		return ""
	}
	h := sha256.New()
	fmt.Fprintln(h, version, program.Size(), program.ModTime().UnixNano(), target)
	for _, p := range o.Pipelines {
		if err := json.NewEncoder(h).Encode(withoutCalendar(p)); err != nil {
			return ""
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fileState tells one state of a database's file from the next; empty: its log holds more than the file does.
func fileState(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if wal, err := os.Stat(path + ".wal"); err == nil && wal.Size() > 0 {
		return ""
	}
	inode := uint64(0)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return fmt.Sprintln(path, info.Size(), info.ModTime().UnixNano(), inode)
}

// withoutCalendar leaves out what does not marshal, and what Link fills.
func withoutCalendar(p *twice.Pipeline) twice.Pipeline {
	q := *p
	q.Calendar, q.Upstreams = twice.Calendar{Grain: p.Calendar.Grain}, nil
	return q
}

// recall reads the memo; one that does not fit is empty.
func (o *opened) recall() {
	o.memo = memo{Key: o.memoKey(), Tables: map[string][]engine.TableRef{}, Clean: map[string]bool{}}
	b, err := os.ReadFile(o.memoPath())
	if err != nil || o.memo.Key == "" {
		return
	}
	var old memo
	if json.Unmarshal(b, &old) == nil && old.Key == o.memo.Key && old.Tables != nil && old.Clean != nil {
		o.memo, o.recalled = old, len(old.Tables)+len(old.Clean)
	}
}

// remember writes the memo after the target was closed, if anything is new.
func (o *opened) remember() {
	key := o.memoKey()
	if key == "" || key == o.memo.Key && o.recalled == len(o.memo.Tables)+len(o.memo.Clean) {
		return
	}
	o.memo.Key = key
	b, err := json.Marshal(o.memo)
	if err != nil || os.MkdirAll(filepath.Dir(o.memoPath()), 0o755) != nil {
		return
	}
	temp := fmt.Sprintf("%s.%d", o.memoPath(), os.Getpid())
	if os.WriteFile(temp, b, 0o644) != nil || os.Rename(temp, o.memoPath()) != nil {
		_ = os.Remove(temp)
	}
}
