package fanout

// readerHeap orders the readers of a log: the first reader has the most unread bytes. Most readers
// soon reach the bottom of the heap and stay there until they have caught up.
type readerHeap struct{ heap []*member }

// slowest returns the reader with the most unread bytes, or nil if there are no readers.
func (h *readerHeap) slowest() *member {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

func (h *readerHeap) insert(m *member) {
	m.reading, m.index, m.read = true, len(h.heap), m.progress()
	h.heap = append(h.heap, m)
	h.up(m)
}

func (h *readerHeap) remove(m *member) {
	end := len(h.heap) - 1
	other := h.heap[end]
	h.heap[end] = nil
	h.heap = h.heap[:end]
	if other != m {
		h.heap[m.index], other.index = other, m.index
		h.up(other)
		h.down(other)
	}
	m.reading = false
}

func (h *readerHeap) up(m *member) {
	for m.index > 0 && h.heap[(m.index-1)/2].read > m.read {
		h.swap(m, h.heap[(m.index-1)/2])
	}
}

// down updates the progress of a member and restores the order below.
func (h *readerHeap) down(m *member) {
	m.read = m.progress()
	for {
		child := 2*m.index + 1
		if child+1 < len(h.heap) && h.heap[child+1].read < h.heap[child].read {
			child++
		}
		if child >= len(h.heap) || h.heap[child].read >= m.read {
			return
		}
		h.swap(m, h.heap[child])
	}
}

func (h *readerHeap) swap(a, b *member) {
	h.heap[a.index], h.heap[b.index] = b, a
	a.index, b.index = b.index, a.index
}
