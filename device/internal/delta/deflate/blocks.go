package deflate

import "io"

// bitWriter writes bits, the lowest of each byte first (RFC 1951, 3.1.1). The first error stays.
type bitWriter struct {
	w     io.Writer
	bytes []byte
	held  uint32
	count int
	err   error
}

const gathered = 16 << 10

// bits are at most 16.
func (b *bitWriter) bits(value uint32, count int) {
	b.held |= value << b.count
	b.count += count
	if b.count < 16 {
		return
	}
	b.bytes = append(b.bytes, byte(b.held), byte(b.held>>8))
	b.held >>= 16
	b.count -= 16
	if len(b.bytes) >= gathered {
		b.flush()
	}
}

// align puts zeros up to the next byte.
func (b *bitWriter) align() {
	for ; b.count > 0; b.count -= 8 {
		b.bytes = append(b.bytes, byte(b.held))
		b.held >>= 8
	}
	b.count = 0
}

func (b *bitWriter) flush() { b.write(b.bytes); b.bytes = b.bytes[:0] }

func (b *bitWriter) write(p []byte) {
	if b.err == nil && len(p) > 0 {
		_, b.err = b.w.Write(p)
	}
}

// blocks gathers the literals and matches of a block and writes it in the shortest of the three ways (RFC 1951, 3.2.3).
type blocks struct {
	out bitWriter
	// distances and values of each symbol: 0 and a literal, or a distance and a length - 3.
	distances                []uint16
	values                   []uint8
	literals, offsets, sizes *huffman
	// count of literals and matches so far, and how many of them are matches.
	count, matches int
}

func newBlocks(w io.Writer, symbols int) *blocks {
	b := &blocks{
		out:       bitWriter{w: w, bytes: make([]byte, 0, gathered+8)},
		distances: make([]uint16, symbols),
		values:    make([]uint8, symbols),
		literals:  newHuffman(alphabet{literalCodes, 15, lengthExtra, lengthBase, fixedLiterals.lengths}),
		offsets:   newHuffman(alphabet{distanceCodes, 15, distanceExtra, 0, fixedDistances.lengths}),
		sizes:     newHuffman(alphabet{lengthCodes, 7, repeatExtra, 0, nil}),
	}
	b.clear()
	return b
}

func (b *blocks) clear() {
	b.literals.clear()
	b.offsets.clear()
	b.literals.counts[endOfBlock] = 1
	b.count, b.matches = 0, 0
}

func (b *blocks) literal(each byte) {
	b.distances[b.count], b.values[b.count] = 0, each
	b.count++
	b.literals.counts[each]++
}

func (b *blocks) match(distance, length int) {
	b.distances[b.count], b.values[b.count] = uint16(distance), uint8(length-shortestMatch)
	b.count++
	b.matches++
	b.literals.counts[lengthBase+int(lengthCode[length-shortestMatch])]++
	b.offsets.counts[distanceCode(distance-1)]++
}

// distanceBits are those of the distances so far, were each code of five bits.
func (b *blocks) distanceBits() int {
	bits := 0
	for code, extra := range distanceExtra {
		bits += b.offsets.counts[code] * (5 + int(extra))
	}
	return bits
}

// flush writes a block that holds size bytes, which are stored, where they are still at hand.
func (b *blocks) flush(size int, stored []byte, isLast bool) error {
	literalBits, literalFixed := b.literals.build()
	offsetBits, offsetFixed := b.offsets.build()
	b.sizes.clear()
	for _, each := range []*huffman{b.literals, b.offsets} {
		lengthRuns(each, func(symbol, times, _ int) { b.sizes.counts[symbol] += times })
	}
	sizeBits, _ := b.sizes.build()
	sent := lengthCodes
	for sent > 4 && b.sizes.lengths[lengthOrder[sent-1]] == 0 {
		sent--
	}
	dynamic := (literalBits + offsetBits + sizeBits + 3*sent + 5 + 5 + 4 + 3 + 7) >> 3
	fixed := (literalFixed + offsetFixed + 3 + 7) >> 3
	last := uint32(0)
	if isLast {
		last = 1
	}
	switch {
	case stored != nil && size+4 <= min(dynamic, fixed):
		b.out.bits(last, 3)
		b.out.align()
		b.out.bits(uint32(size), 16)
		b.out.bits(^uint32(size)&0xffff, 16)
		b.out.flush()
		b.out.write(stored)
	case fixed <= dynamic:
		b.out.bits(2+last, 3)
		b.symbols(&fixedLiterals, &fixedDistances)
	default:
		b.out.bits(4+last, 3)
		b.out.bits(uint32(b.literals.last+1-257), 5)
		b.out.bits(uint32(b.offsets.last+1-1), 5)
		b.out.bits(uint32(sent-4), 4)
		for _, symbol := range lengthOrder[:sent] {
			b.out.bits(uint32(b.sizes.lengths[symbol]), 3)
		}
		for _, each := range []*huffman{b.literals, b.offsets} {
			lengthRuns(each, b.sendRun)
		}
		b.symbols(&b.literals.code, &b.offsets.code)
	}
	if isLast {
		b.out.align()
		b.out.flush()
	}
	b.clear()
	return b.out.err
}

func (b *blocks) sendRun(symbol, times, repeat int) {
	for range times {
		b.out.bits(uint32(b.sizes.bits[symbol]), int(b.sizes.lengths[symbol]))
	}
	if symbol >= 16 {
		b.out.bits(uint32(repeat), int(repeatExtra[symbol]))
	}
}

func (b *blocks) symbols(literals, offsets *code) {
	out := &b.out
	for at, distance := range b.distances[:b.count] {
		value := b.values[at]
		if distance == 0 {
			out.bits(uint32(literals.bits[value]), int(literals.lengths[value]))
			continue
		}
		length := lengthCode[value]
		symbol := lengthBase + int(length)
		out.bits(uint32(literals.bits[symbol]), int(literals.lengths[symbol]))
		out.bits(uint32(value-lengthStart[length]), int(lengthExtra[length]))
		code := distanceCode(int(distance) - 1)
		out.bits(uint32(offsets.bits[code]), int(offsets.lengths[code]))
		out.bits(uint32(int(distance)-1-distanceStart[code]), int(distanceExtra[code]))
	}
	out.bits(uint32(literals.bits[endOfBlock]), int(literals.lengths[endOfBlock]))
}

// lengthRuns gives the lengths of a code as they are sent: a symbol, how often it comes, and what follows one that repeats.
func lengthRuns(of *huffman, send func(symbol, times, repeat int)) {
	before := -1
	for at := 0; at <= of.last; {
		length := int(of.lengths[at])
		// The first of a new length other than 0 is sent as it is before it is repeated.
		isNew := length != before && length != 0
		most, least := 6, 3
		switch {
		case length == 0:
			most = 138
		case isNew:
			most, least = 7, 4
		}
		times := 1
		for times < most && at+times <= of.last && int(of.lengths[at+times]) == length {
			times++
		}
		at += times
		before = length
		switch {
		case times < least:
			send(length, times, 0)
		case length != 0:
			if isNew {
				send(length, 1, 0)
			}
			send(16, 1, times-least)
		case times <= 10:
			send(17, 1, times-3)
		default:
			send(18, 1, times-11)
		}
	}
}
