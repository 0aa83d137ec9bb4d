package transport

import "syscall"

// peerClosed reports whether the client has closed its end of a socket, without reading the bytes
// sent before. A nil socket is never closed.
func peerClosed(socket syscall.RawConn) (closed bool) {
	const end = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	if socket == nil {
		return false
	}
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false // the next write fails instead
	}
	defer func() { _ = syscall.Close(poll) }()
	ask := func(fd uintptr) {
		var events [1]syscall.EpollEvent
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, int(fd), &syscall.EpollEvent{Events: end}); err != nil {
			return
		}
		n, err := syscall.EpollWait(poll, events[:], 0)
		closed = err == nil && n == 1 && events[0].Events&end != 0
	}
	return socket.Control(ask) == nil && closed
}
