//go:build !linux

package signalr

import "syscall"

// hungUp does not know: a write that fails will tell.
func hungUp(syscall.RawConn) bool { return false }
