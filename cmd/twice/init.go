package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice/scaffold"
)

func (a *app) initCommand() *cobra.Command {
	var template string
	c := &cobra.Command{
		Use:     "init DIR",
		Short:   "Create a project",
		Long:    "Create a project in DIR. A file that exists is never overwritten.",
		Example: "twice init demo && cd demo && twice run\ntwice init clicks --template stream\ntwice init warehouse --template empty",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := scaffold.Write(args[0], template)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "created %s in %s\nnext: cd %s && twice run\n", counted(len(files), "file"), args[0], args[0])
			return nil
		},
	}
	c.Flags().StringVar(&template, "template", "demo", "what to start from: demo, stream or empty")
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "twice version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(a.stdout, "twice %s\n", version)
			return nil
		},
	}
}
