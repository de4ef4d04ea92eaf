package deflate

// alphabet is what a code may look like, and how its symbols are sent besides.
type alphabet struct {
	symbols int
	// longest code of a symbol, in bits.
	longest int
	// extra bits follow the symbols from extraFrom on.
	extra     []uint8
	extraFrom int
	// fixed are the lengths of the fixed code; nil where there is none.
	fixed []uint8
}

// huffman makes one Huffman code after the other. Many codes are equally short: which one comes out follows from the order of
// a heap, and from what it does with what is equal.
type huffman struct {
	alphabet
	// code and counts of symbols and, behind them, of the nodes above.
	code
	counts  []int
	parents []uint16
	depths  []uint8
	heap    []uint16
	size    int
	// order in which symbols and nodes left the heap, the rarest first.
	order []uint16
	// last symbol with a code.
	last int
}

func newHuffman(a alphabet) *huffman {
	nodes := 2*a.symbols + 1
	return &huffman{
		alphabet: a,
		code:     code{make([]uint8, nodes), make([]uint16, nodes)},
		counts:   make([]int, nodes),
		parents:  make([]uint16, nodes),
		depths:   make([]uint8, nodes),
		heap:     make([]uint16, nodes),
		order:    make([]uint16, 0, nodes),
	}
}

// clear forgets what was counted.
func (h *huffman) clear() { clear(h.counts[:h.symbols]) }

// build makes the code out of the counts. It returns how many bits all symbols have with it, and with the fixed one.
func (h *huffman) build() (bits, fixedBits int) {
	h.size, h.last = 0, -1
	for symbol := range h.symbols {
		h.lengths[symbol] = 0
		if h.counts[symbol] == 0 {
			continue
		}
		h.last = symbol
		h.push(symbol)
	}
	// Two codes at least, of symbols that are never sent.
	for h.size < 2 {
		symbol := 0
		if h.last < 2 {
			h.last++
			symbol = h.last
		}
		h.counts[symbol] = 1
		h.push(symbol)
		bits--
		if h.fixed != nil {
			fixedBits -= int(h.fixed[symbol])
		}
	}
	for at := h.size / 2; at >= 1; at-- {
		h.sink(at)
	}
	h.order = h.order[:0]
	node := h.symbols
	for ; h.size >= 2; node++ {
		rarest := h.heap[1]
		h.heap[1] = h.heap[h.size]
		h.size--
		h.sink(1)
		next := h.heap[1]
		h.order = append(h.order, rarest, next)
		h.counts[node] = h.counts[rarest] + h.counts[next]
		h.depths[node] = max(h.depths[rarest], h.depths[next]) + 1
		h.parents[rarest], h.parents[next] = uint16(node), uint16(node)
		h.heap[1] = uint16(node)
		h.sink(1)
	}
	more, moreFixed := h.assignLengths(node - 1)
	h.canonical(h.last + 1)
	return bits + more, fixedBits + moreFixed
}

func (h *huffman) push(symbol int) {
	h.size++
	h.heap[h.size] = uint16(symbol)
	h.depths[symbol] = 0
}

func (h *huffman) sink(at int) {
	moved := h.heap[at]
	for child := 2 * at; child <= h.size; child = 2 * at {
		if child < h.size && h.before(h.heap[child+1], h.heap[child]) {
			child++
		}
		if h.before(moved, h.heap[child]) {
			break
		}
		h.heap[at] = h.heap[child]
		at = child
	}
	h.heap[at] = moved
}

func (h *huffman) before(a, b uint16) bool {
	first, second := h.counts[a], h.counts[b]
	return first < second || first == second && h.depths[a] <= h.depths[b]
}

func (h *huffman) assignLengths(root int) (bits, fixedBits int) {
	var perLength [17]int
	tooLong := 0
	h.lengths[root] = 0
	for at := len(h.order) - 1; at >= 0; at-- {
		node := int(h.order[at])
		length := int(h.lengths[h.parents[node]]) + 1
		if length > h.longest {
			length = h.longest
			tooLong++
		}
		h.lengths[node] = uint8(length)
		if node >= h.symbols {
			continue
		}
		perLength[length]++
		more := 0
		if node >= h.extraFrom {
			more = int(h.extra[node-h.extraFrom])
		}
		bits += h.counts[node] * (length + more)
		if h.fixed != nil {
			fixedBits += h.counts[node] * (int(h.fixed[node]) + more)
		}
	}
	if tooLong == 0 {
		return bits, fixedBits
	}
	for ; tooLong > 0; tooLong -= 2 {
		length := h.longest - 1
		for perLength[length] == 0 {
			length--
		}
		perLength[length]--
		perLength[length+1] += 2
		perLength[h.longest]--
	}
	at := 0
	for length := h.longest; length > 0; length-- {
		for left := perLength[length]; left > 0; {
			node := int(h.order[at])
			at++
			if node >= h.symbols {
				continue
			}
			bits += (length - int(h.lengths[node])) * h.counts[node]
			h.lengths[node] = uint8(length)
			left--
		}
	}
	return bits, fixedBits
}
