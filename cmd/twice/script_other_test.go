//go:build !linux

package main

// canMount says that only Linux's tests mount file systems.
func canMount() bool { return false }
