// Package bench measures twice against the same work written by hand, in the same process and run, so that its figures
// are ratios. It holds nothing but benchmarks: make bench.
package bench
