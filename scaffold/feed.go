package scaffold

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The demo's feed: one file a day, in which a shop's orders are delivered. It is untidy in the ways in which real feeds
// are. The README of the demo counts them; the seed makes them the same on every machine.
const (
	feedDays    = 60
	feedChannel = 30 // the day, from 0, from which on files have the column channel
	feedSeed    = 2026

	customers = 400
	firstID   = 100001

	// Of a hundred orders:
	latePercent   = 4 // are delivered one to six days after they were placed
	twicePercent  = 2 // are delivered twice, in one file or in two
	changePercent = 8 // are delivered again with another status or amount and a newer updated_at
)

var feedBegin = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// line is one delivery of an order.
type line struct {
	day       int // on which it is delivered
	id        int
	customer  int
	orderedAt time.Time
	updatedAt time.Time
	status    string
	cents     int
	channel   string // empty before the feed had it
}

// ordersFeed gives the files of the feed by name.
func ordersFeed() map[string][]byte {
	files := map[string][]byte{}
	for day, lines := range byDay(deliveries(rand.New(rand.NewPCG(feedSeed, feedDays)))) {
		date := feedBegin.AddDate(0, 0, day).Format(time.DateOnly)
		files["orders-"+date+".csv"] = encode(date, lines, day >= feedChannel)
	}
	return files
}

// deliveries draws every line of the feed. What would be delivered after its last day is not part of it.
func deliveries(r *rand.Rand) []line {
	var all []line
	id := firstID
	for day := range feedDays {
		for range 160 + r.IntN(41) {
			for _, l := range deliver(r, id, day) {
				if l.day < feedDays {
					all = append(all, l)
				}
			}
			id++
		}
	}
	return all
}

// deliver draws what the feed says of one order.
func deliver(r *rand.Rand, id, day int) []line {
	at := feedBegin.AddDate(0, 0, day).Add(time.Duration(r.IntN(24*60*60)) * time.Second)
	channel := []string{"web", "app", "shop"}[r.IntN(3)]
	placed := line{
		day: day, id: id, customer: 1 + r.IntN(customers),
		orderedAt: at, updatedAt: at, status: "placed", cents: 500 + r.IntN(19500),
	}
	if r.IntN(100) < latePercent {
		placed.day += 1 + r.IntN(6)
	}
	placed = placed.withChannel(channel)
	lines := []line{placed}

	if r.IntN(100) < twicePercent {
		again := placed // word for word, so without a channel if the first delivery had none
		again.day += r.IntN(4)
		lines = append(lines, again)
	}
	if r.IntN(100) < changePercent {
		changed := placed
		changed.updatedAt = at.Add(time.Minute + time.Duration(r.IntN(9*24*60*60))*time.Second)
		changed.day = int(changed.updatedAt.Sub(feedBegin) / (24 * time.Hour))
		switch r.IntN(4) {
		case 0:
			changed.status = "cancelled"
		case 1:
			changed.cents = 500 + r.IntN(19500)
		default:
			changed.status = "shipped"
		}
		lines = append(lines, changed.withChannel(channel))
	}
	return lines
}

// withChannel fills in the channel if the feed has it on the day of delivery.
func (l line) withChannel(channel string) line {
	l.channel = ""
	if l.day >= feedChannel {
		l.channel = channel
	}
	return l
}

func byDay(all []line) [][]line {
	days := make([][]line, feedDays)
	for _, l := range all {
		days[l.day] = append(days[l.day], l)
	}
	for _, lines := range days {
		slices.SortStableFunc(lines, func(a, b line) int {
			return cmp.Or(a.updatedAt.Compare(b.updatedAt), cmp.Compare(a.id, b.id))
		})
	}
	return days
}

func encode(date string, lines []line, channel bool) []byte {
	var b bytes.Buffer
	b.WriteString("delivered_on,order_id,customer_id,ordered_at,updated_at,status,amount")
	if channel {
		b.WriteString(",channel")
	}
	b.WriteByte('\n')
	for _, l := range lines {
		fmt.Fprintf(&b, "%s,%d,%d,%s,%s,%s,%d.%02d", date, l.id, l.customer,
			l.orderedAt.Format(time.DateTime), l.updatedAt.Format(time.DateTime), l.status, l.cents/100, l.cents%100)
		if channel {
			b.WriteString("," + l.channel)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
