// Command twice runs data pipelines so that running one twice gives the same result as running it once.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker for a release.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv, now: time.Now}
	code := a.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
