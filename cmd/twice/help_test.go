package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp holds that every command tells what it does and shows an example, and that what examples type exists.
func TestHelp(t *testing.T) {
	root := (&app{stdout: io.Discard, stderr: io.Discard}).command()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Short == "" {
			t.Errorf("twice %s: no Short", c.Name())
		}
		if c.Name() == "completion" { // made by cobra, with its examples in the texts of bash, zsh, fish and powershell
			continue
		}
		examples := strings.Split(strings.TrimSpace(c.Example), "\n")
		if examples[0] == "" {
			t.Errorf("twice %s: no Example", c.Name())
		}
		for _, example := range examples {
			for part := range strings.SplitSeq(example, "&&") {
				if words := strings.Fields(part); len(words) > 1 && words[0] == "twice" {
					exampleRuns(t, root, words[1:])
				}
			}
		}
	}
}

func exampleRuns(t *testing.T, root *cobra.Command, args []string) {
	t.Helper()
	c, rest, err := root.Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && c.Args != nil {
		err = c.Args(c, c.Flags().Args())
	}
	if err != nil || c == root {
		t.Errorf("the example twice %s does not run: %v", strings.Join(args, " "), err)
	}
}
