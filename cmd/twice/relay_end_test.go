package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/twice-data/twice/stream/kafkatest"
)

// TestRelayEndsItsTransaction holds back the request that ends a transaction, or the broker's answer to it, of a process that
// has produced a batch's records and offsets. The process dies there, or its connection does.
func TestRelayEndsItsTransaction(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer bool // is held, not the request
		dies   bool
	}{
		{"killed before the request came", false, true},
		{"killed before the answer came", true, true},
		{"cut off before the request came", false, false},
		{"cut off before the answer came", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRelay(t, 2, story{})
			f.addr = f.broker.Proxied
			f.pipeline(story{to: "key: id, options: {transaction_timeout: 60s}"})
			f.produce(events(0, 10)...)
			f.must("run") // the transaction that says where it begins is behind it
			f.produce(events(10, 40)...)
			held := f.broker.Hold(kmsg.EndTxn.Int16(), c.answer)
			s := f.start("run")
			s.reaches(held)
			if c.answer {
				f.eachOnce(40, "what the broker has committed")
			}
			if c.dies {
				s.end(syscall.SIGKILL)
			}
			held.Release()
			began := time.Now()
			if !c.dies {
				_ = s.Wait()
				if code := s.ProcessState.ExitCode(); code != 0 {
					t.Errorf("exit code %d\n%s", code, s.said.String())
				}
			}
			f.must("run")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the transaction that was open was waited for: %s", took)
			}
			f.eachOnce(40, c.name)
		})
	}
}

// reaches waits until the program is held back.
func (s *started) reaches(held *kafkatest.Held) {
	s.Helper()
	select {
	case <-held.There:
	case <-time.After(time.Minute):
		s.Fatalf("it did not get there:\n%s", s.said.String())
	}
}
