package elf

import (
	"cmp"
	"container/heap"
	"slices"
)

// where every byte of the old file went: its shift, which is its new offset minus the old one, from each of some offsets on.
type where struct {
	offsets, shifts []int32
	// index is the last of the offsets that is not behind the beginning of each bucket of 1 << bits bytes.
	index   []int32
	bits    int
	oldSize int32
}

const buckets = 1 << 16

// newWhere finds out of the copies that cover a byte the one that counts.
func newWhere(m *model) *where {
	w := &where{oldSize: m.oldSize}
	order := make([]int32, len(m.copies))
	for at := range order {
		order[at] = int32(at)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(m.copies[a].from, m.copies[b].from) })
	open := &covering{m: m}
	for position := int32(0); ; {
		for len(order) > 0 && m.copies[order[0]].from <= position {
			heap.Push(open, order[0])
			order = order[1:]
		}
		for len(open.heap) > 0 && end(m.copies[open.heap[0]]) <= position {
			heap.Pop(open)
		}
		next := int32(-1)
		if len(order) > 0 {
			next = m.copies[order[0]].from
		}
		if len(open.heap) > 0 {
			best := m.copies[open.heap[0]]
			w.add(position, best.to-best.from)
			if next < 0 || end(best) < next {
				next = end(best)
			}
		}
		if next < 0 {
			break
		}
		position = next
	}
	w.buildIndex()
	return w
}

func end(c copied) int32 { return c.from + c.size }

func (w *where) add(offset, shift int32) {
	if count := len(w.shifts); count == 0 || w.shifts[count-1] != shift {
		w.offsets, w.shifts = append(w.offsets, offset), append(w.shifts, shift)
	}
}

func (w *where) buildIndex() {
	for w.oldSize>>w.bits >= buckets {
		w.bits++
	}
	w.index = make([]int32, w.oldSize>>w.bits+2)
	last := 0
	for at := range w.index {
		for last+1 < len(w.offsets) && int64(w.offsets[last+1]) <= int64(at)<<w.bits {
			last++
		}
		w.index[at] = int32(last)
	}
}

// of an offset of the old file, in the new one; an offset that is none stays what it is.
func (w *where) of(offset int32) int32 {
	if uint32(offset) >= uint32(w.oldSize) || len(w.shifts) == 0 {
		return offset
	}
	bucket := offset >> w.bits
	low, high := w.index[bucket], w.index[bucket+1]
	for low < high {
		middle := (low + high + 1) >> 1
		if w.offsets[middle] <= offset {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return offset + w.shifts[low]
}

// covering are the copies that may cover a byte, the one that counts first: one that stays in its section; of several such,
// or of several others, the largest; of those, the first.
type covering struct {
	m    *model
	heap []int32
}

func (c *covering) Len() int { return len(c.heap) }

func (c *covering) Less(i, j int) bool {
	a, b := c.heap[i], c.heap[j]
	first, second := c.m.copies[a], c.m.copies[b]
	if stays := c.m.stays(first); stays != c.m.stays(second) {
		return stays
	}
	if first.size != second.size {
		return first.size > second.size
	}
	return a < b
}

func (c *covering) Swap(i, j int) { c.heap[i], c.heap[j] = c.heap[j], c.heap[i] }
func (c *covering) Push(x any)    { c.heap = append(c.heap, x.(int32)) }

func (c *covering) Pop() any {
	last := len(c.heap) - 1
	popped := c.heap[last]
	c.heap = c.heap[:last]
	return popped
}

// stays tells whether the middle of a copy is in the same section before and after.
func (m *model) stays(c copied) bool {
	old, new := c.from+c.size/2, c.to+c.size/2
	at := m.sectionAt(old)
	return at < len(m.sections) && m.sections[at].start <= old && m.sections[at].newStart <= new && new < m.sections[at].newEnd
}

// sectionAt is the number of the first section of the old file that ends behind an offset.
func (m *model) sectionAt(offset int32) int {
	low, high := 0, len(m.sections)
	for low < high {
		if middle := (low + high) / 2; m.sections[middle].end <= offset {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// isSectionAt tells whether a number is what sectionAt finds.
func (m *model) isSectionAt(at int, offset int32) bool {
	return at < len(m.sections) && m.sections[at].end > offset && (at == 0 || m.sections[at-1].end <= offset)
}
