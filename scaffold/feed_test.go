package scaffold

import (
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// counts is what is untidy in the feed, counted from its bytes alone.
type counts struct {
	Files, Lines, Orders              int
	Late, Changed, Overtaken          int
	TwiceInAFile, TwiceInTwoFiles     int
	FilesWithChannel, EmptyInChannels int
}

func TestTheReadmeCountsTheFeed(t *testing.T) {
	dir := write(t, "demo")
	c := count(t, filepath.Join(dir, "landing"))
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| files, one a day from 2026-01-01 to 2026-03-01 | %d |", c.Files),
		fmt.Sprintf("| lines | %d |", c.Lines),
		fmt.Sprintf("| orders | %d |", c.Orders),
		fmt.Sprintf("| orders that are delivered late, one to six days after they were placed | %d |", c.Late),
		fmt.Sprintf("| orders that change: delivered again with a newer `updated_at` | %d |", c.Changed),
		fmt.Sprintf("| changes that arrive before the late order that they change | %d |", c.Overtaken),
		fmt.Sprintf("| lines that stand twice in a file | %d |", c.TwiceInAFile),
		fmt.Sprintf("| lines that stand in two files | %d |", c.TwiceInTwoFiles),
		fmt.Sprintf("| files with the column `channel`, from 2026-01-31 on | %d |", c.FilesWithChannel),
	} {
		if !strings.Contains(string(readme), row) {
			t.Errorf("the README of the demo should say: %s", row)
		}
	}
	for what, n := range map[string]int{
		"late": c.Late, "changed": c.Changed, "overtaken": c.Overtaken, "twice in a file": c.TwiceInAFile,
		"twice in two files": c.TwiceInTwoFiles, "old lines in new files": c.EmptyInChannels,
	} {
		if n == 0 {
			t.Errorf("the feed has nothing that is %s", what)
		}
	}
}

// The merge stops at two different rows of one version, so the feed must have none.
func TestNoVersionTellsTwoThings(t *testing.T) {
	told := map[string]string{}
	for name, content := range ordersFeed() {
		for _, row := range parse(t, string(content)) {
			version := row["order_id"] + " " + row["updated_at"]
			tells := fmt.Sprint(row["customer_id"], row["ordered_at"], row["status"], row["amount"], row["channel"])
			if before, ok := told[version]; ok && before != tells {
				t.Errorf("%s: order %s is told as %q and as %q", name, version, before, tells)
			}
			told[version] = tells
		}
	}
}

func count(t *testing.T, landing string) counts {
	var c counts
	firstSeen := map[string]string{} // line without its day -> file
	placedIn := map[string]string{}  // order -> file of its first version
	changedIn := map[string]string{} // order -> file of its newer version
	for _, path := range tree(t, landing) {
		content, err := os.ReadFile(filepath.Join(landing, path))
		if err != nil {
			t.Fatal(err)
		}
		day := strings.TrimSuffix(strings.TrimPrefix(path, "orders-"), ".csv")
		c.Files++
		if strings.Contains(strings.SplitN(string(content), "\n", 2)[0], ",channel") {
			c.FilesWithChannel++
		}
		for _, row := range parse(t, string(content)) {
			c.Lines++
			if row["delivered_on"] != day {
				t.Errorf("%s holds a line delivered on %s", path, row["delivered_on"])
			}
			if channel, there := row["channel"]; there && channel == "" {
				c.EmptyInChannels++
			}
			id := row["order_id"]
			seen := id + row["updated_at"]
			switch firstSeen[seen] {
			case "":
				firstSeen[seen] = day
			case day:
				c.TwiceInAFile++
				continue
			default:
				c.TwiceInTwoFiles++
				continue
			}
			if row["updated_at"] != row["ordered_at"] {
				changedIn[id] = day
				continue
			}
			placedIn[id] = day
			if row["ordered_at"][:len(day)] < day {
				c.Late++
			}
		}
	}
	for id, day := range changedIn {
		c.Changed++
		if placedIn[id] > day {
			c.Overtaken++
		}
	}
	maps.Copy(placedIn, changedIn)
	c.Orders = len(placedIn)
	return c
}

// parse reads a file's rows by the names of its columns.
func parse(t *testing.T, content string) []map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]map[string]string, 0, len(records)-1)
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}
