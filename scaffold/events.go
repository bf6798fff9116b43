package scaffold

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The events of the stream template: a day of a shop's page views in a log of two partitions, in the order in which they
// arrive. The README of the template counts what is untidy in them; the seed makes them the same on every machine.
const (
	eventCount      = 1800
	eventPartitions = 2
	eventSeed       = 20260301

	// Of a hundred events:
	eventLatePercent  = 4 // arrive ten minutes to three hours after they happened
	eventAgainPercent = 3 // are sent again by a producer that saw no answer
)

var eventDay = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)

// halfEvent is what a producer left that died while it wrote.
const halfEvent = `{"event_id": "e01804", "user": 17, "page": "/car`

// arrival is a line of the log.
type arrival struct {
	at        time.Time
	partition int
	line      string
}

// eventLog gives the files of the log by name.
func eventLog() map[string][]byte {
	r := rand.New(rand.NewPCG(eventSeed, eventCount))
	var all []arrival
	for i := range eventCount {
		all = append(all, arrive(r, i+1)...)
	}
	all = append(all, arrival{eventDay.Add(11 * time.Hour), 1, halfEvent})
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.line, b.line)) })
	files := make([]bytes.Buffer, eventPartitions)
	for _, a := range all {
		files[a.partition].WriteString(a.line + "\n")
	}
	log := map[string][]byte{}
	for p := range files {
		log[fmt.Sprintf("%d.ndjson", p)] = files[p].Bytes()
	}
	return log
}

// arrive draws an event, and when and how often it arrives.
func arrive(r *rand.Rand, id int) []arrival {
	happened := eventDay.Add(time.Duration(r.IntN(24*60*60*1000)) * time.Millisecond)
	user := 1 + r.IntN(120)
	page := []string{"/", "/cart", "/checkout", "/search"}[min(r.IntN(6), 3)]
	a := arrival{
		at: happened.Add(time.Duration(r.IntN(2000)) * time.Millisecond), partition: user % eventPartitions,
		line: fmt.Sprintf(`{"event_id": "e%05d", "user": %d, "page": "%s", "ms": %d, "happened_at": "%s"}`,
			id, user, page, 20+r.IntN(900), happened.Format("2006-01-02T15:04:05.000Z")),
	}
	if r.IntN(100) < eventLatePercent {
		a.at = happened.Add(10*time.Minute + time.Duration(r.IntN(170*60))*time.Second)
	}
	if r.IntN(100) >= eventAgainPercent {
		return []arrival{a}
	}
	again := a
	again.at = a.at.Add(time.Duration(1+r.IntN(30)) * time.Second)
	if r.IntN(4) == 0 {
		again.partition = (a.partition + 1) % eventPartitions
	}
	return []arrival{a, again}
}
