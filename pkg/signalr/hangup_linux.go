package signalr

import "syscall"

// hungUp says whether the other end of a socket has closed it, without reading
// what it has sent before.
func hungUp(raw syscall.RawConn) (gone bool) {
	const end = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	if raw == nil {
		return false
	}
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false // A write that fails will tell.
	}
	defer func() { _ = syscall.Close(poll) }()
	ask := func(fd uintptr) {
		var events [1]syscall.EpollEvent
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, int(fd), &syscall.EpollEvent{Events: end}); err != nil {
			return
		}
		n, err := syscall.EpollWait(poll, events[:], 0)
		gone = err == nil && n == 1 && events[0].Events&end != 0
	}
	return raw.Control(ask) == nil && gone
}
