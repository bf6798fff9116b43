package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twice-data/twice/stream/kafkatest"
)

// streamed is a project of one stream that a program of its own reads, so that its memory is nobody else's.
type streamed struct {
	*testing.B
	dir  string
	line func([]byte)  // is given each line that the program says; nil: nobody listens
	stop chan struct{} // closed: the program should end
}

func streamProject(b *testing.B, broker *kafkatest.Broker, topic, target string) *streamed {
	b.Helper()
	s := &streamed{B: b, dir: b.TempDir(), stop: make(chan struct{})}
	for path, text := range map[string]string{
		"twice.yml": "project: bench\ndefault_target: dev\ntargets:\n  dev: " + target + "\n",
		"pipelines/t.sql": fmt.Sprintf("/* @twice\nwrite: merge\nunique_key: [id]\ninputs:\n  feed:\n    kafka: {brokers: [\"%s\"], topic: %s}\n"+
			"    format: json\n    columns: {id: bigint, n: bigint, pad: varchar}\n*/\nselect id, n, pad from feed\n", broker.Addr, topic),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, path)), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, path), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// run runs the program to its end and watches its memory.
func (s *streamed) run(args ...string) (m memory) {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(self, append(args, "--project", s.dir)...)
	cmd.Env = append(os.Environ(), "TWICE_TEST_AS_PROGRAM=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		stop := s.stop
		for {
			select {
			case <-stop:
				_ = cmd.Process.Signal(syscall.SIGTERM)
				stop = nil
			case <-tick.C:
				if mb := resident(cmd.Process.Pid); mb > 0 {
					m = append(m, mb)
				}
			case <-ended:
				return
			}
		}
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if s.line != nil {
			s.line(lines.Bytes())
		}
	}
	err = cmd.Wait()
	close(ended)
	<-watched
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// memory is what a process had in memory, in MB, ten times a second.
type memory []int

// report says how much it was in the second and in the last quarter of the time, as medians, and by how much it grew
// between them. In the first one the program warms up.
func (m memory) report(b *testing.B) {
	if len(m) < 8 {
		return
	}
	second, last := median(m[len(m)/4:len(m)/2]), median(m[len(m)*3/4:])
	b.ReportMetric(float64(second), "2nd-quarter-MB")
	b.ReportMetric(float64(last), "last-quarter-MB")
	b.ReportMetric(float64(last)/float64(second), "rss-growth")
}

func median(m memory) int {
	m = slices.Clone(m)
	slices.Sort(m)
	return m[len(m)/2]
}

// resident is a process's memory in MB, without that of its children; 0: nobody says.
func resident(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize() >> 20
}
