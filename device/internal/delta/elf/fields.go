package elf

import (
	"encoding/binary"
	"math"
	"slices"
)

// fieldKind says what a field names, and how.
type fieldKind uint8

// Those from branch26 on are instructions of aarch64.
const (
	relative fieldKind = iota
	distance
	absolute
	fromAddress
	fromOffset
	back
	branch26
	branch19
	branch14
	adr
	page
	lowAdd
	lowLoad
)

// field of the old file: four bytes that name a place.
type field struct {
	offset int32
	kind   fieldKind
	// target is an address, or an offset, of the old file.
	target int32
	// base is what is subtracted from where the target went.
	base int32
}

const (
	chunk = 1024
	// chunksAtOnce are as many as the fields of which are looked for at once.
	chunksAtOnce = 16
)

func word(bytes []byte) int32           { return int32(binary.LittleEndian.Uint32(bytes)) }
func putWord(bytes []byte, value int32) { binary.LittleEndian.PutUint32(bytes, uint32(value)) }

// word of the old file, which lies in the window.
func (d *Decoder) word(at int32) int32 { return word(d.window[at-d.windowStart:]) }

// inStep tells whether a field lies in the step as a whole.
func (d *Decoder) inStep(at int32) bool { return at >= d.stepStart && at <= d.stepEnd-4 }

// oldAddress is old.address for places that follow each other.
func (d *Decoder) oldAddress(offset int32) int32 {
	if !d.oldSegment.has(offset) {
		d.oldSegment = find(d.old, offset)
	}
	return d.oldSegment.translate(offset)
}

func (d *Decoder) newAddress(offset int32) int32 {
	if !d.newSegment.has(offset) {
		d.newSegment = find(d.new, offset)
	}
	return d.newSegment.translate(offset)
}

func find(in segments, offset int32) segment {
	for at := range in {
		if in[at].has(offset) {
			return in[at]
		}
	}
	return segment{}
}

func (s *segment) translate(offset int32) int32 {
	if s.size == 0 {
		return -1
	}
	return offset - s.offset + s.address
}

func (d *Decoder) relative(at, base, value int32) {
	d.fields = append(d.fields, field{at, relative, d.oldAddress(at) + base + value, base})
}

func (d *Decoder) absolute(at, value int32) {
	d.fields = append(d.fields, field{at, absolute, value, 0})
}

func (d *Decoder) distance(at int32) {
	if d.inStep(at) {
		d.fields = append(d.fields, field{at, distance, d.oldAddress(at) + d.word(at), 0})
	}
}

func (d *Decoder) address(at int32) {
	if d.inStep(at) {
		d.absolute(at, d.word(at))
	}
}

func (d *Decoder) from(kind fieldKind, at int32, s *section, base int) {
	if d.inStep(at) {
		d.fields = append(d.fields, field{at, kind, s.bases[base] + d.word(at), s.newBases[base]})
	}
}

// findFields of the old file from start on, where a chunk begins, as far as they lie in the step. It returns how far it looked.
func (d *Decoder) findFields(start int32) int64 {
	d.fields = d.fields[:0]
	end := int32(min(int64(start)+chunksAtOnce*chunk, int64(d.oldSize)))
	if !d.isSectionAt(d.lastSection, start) {
		d.lastSection = d.sectionAt(start)
	}
	for at := d.lastSection; at < len(d.sections) && d.sections[at].start < min(end, d.stepEnd); at++ {
		s := &d.sections[at]
		from, to := max(start, s.start), min(end, s.end)
		if to <= d.stepStart || from >= to {
			continue
		}
		if s.kind == x86Code || s.kind == aarch64Code {
			d.codeFields(s, from, to)
		} else {
			d.tableFields(s, max(from, d.stepStart), min(to, d.stepEnd))
		}
	}
	return int64(end)
}

// codeFields are those that depend on where looking begins: in each chunk anew.
func (d *Decoder) codeFields(s *section, from, to int32) {
	for from = max(from, d.stepStart&^(chunk-1)); from < min(to, d.stepEnd); {
		next := int32(min(int64(from|(chunk-1))+1, int64(to)))
		if s.kind == x86Code {
			d.x86Fields(s, from, next)
		} else {
			if in := find(d.old, max(from-pageReach, s.start)); in.has(to - 1) {
				next = to
			}
			d.aarch64Fields(s, from, next)
		}
		from = next
	}
}

// tableFields are those that do not depend on where looking begins.
func (d *Decoder) tableFields(s *section, from, to int32) {
	switch s.kind {
	case relocations:
		d.relocations(s, from, to)
	case data:
		d.data(s, from, to)
	case unwindRecords:
		d.unwindFields(s, from, to)
	case unwindTable:
		d.unwindTable(s, from, to)
	case symbols:
		d.symbols(s, from, to)
	case goIndex:
		d.goIndex(s, from, to)
	case goRecords:
		d.goFields(s, from, to)
	}
}

// entries of a section that may have fields between from and to, whole ones only.
func (s *section) entries(size, from, to int32, visit func(at int32)) {
	for at := s.start + (from-s.start)/size*size; at < to && size <= s.end-at; at += size {
		visit(at)
	}
}

// isIn tells whether a field begins where fields are looked for.
func isIn(at, from, to int32) bool { return at >= from && at < to }

func (d *Decoder) relocations(s *section, from, to int32) {
	s.entries(24, from, to, func(at int32) {
		if isIn(at, from, to) {
			d.address(at)
		}
		if isIn(at+16, from, to) {
			entry := d.bytes(at+8, 8)
			if kind := word(entry); (kind == 8 || kind == 0x403) && word(entry[4:]) == 0 {
				d.address(at + 16)
			}
		}
	})
}

func (d *Decoder) symbols(s *section, from, to int32) {
	s.entries(24, from, to, func(at int32) {
		if isIn(at, from, to) && word(d.bytes(at, 4)) != 0 {
			d.from(fromOffset, at, s, 0)
		}
		if isIn(at+8, from, to) && word(d.bytes(at+8, 4)) != 0 {
			d.address(at + 8)
		}
	})
}

func (d *Decoder) goIndex(s *section, from, to int32) {
	s.entries(8, from, to, func(at int32) {
		if isIn(at, from, to) {
			d.from(fromAddress, at, s, 0)
		}
		if isIn(at+4, from, to) {
			d.from(fromOffset, at+4, s, 1)
		}
	})
}

func (d *Decoder) unwindTable(s *section, from, to int32) {
	if s.end-s.start < 12 {
		return
	}
	if isIn(s.start+4, from, to) {
		d.distance(s.start + 4)
	}
	first := s.start + 12
	for at := first + max(0, (from-first+3)/4*4); at < to && at <= s.end-4; at += 4 {
		d.from(fromAddress, at, s, 0)
	}
}

// data has jump tables, and addresses of eight bytes.
func (d *Decoder) data(s *section, from, to int32) {
	if from > math.MaxInt32-8 {
		return
	}
	low, high := d.addresses()
	next := (from + 7) &^ 7
	addresses := func(until int32) {
		for ; next < until && next <= s.end-8; next += 8 {
			if !d.inStep(next) {
				continue
			}
			eight := d.bytes(next, 8)
			if value := word(eight); word(eight[4:]) == 0 && value >= low && int64(value) < high {
				d.absolute(next, value)
			}
		}
	}
	at, _ := slices.BinarySearchFunc(d.tables, from, func(t jumpTable, from int32) int {
		if t.end() <= from {
			return -1
		}
		return 1
	})
	for ; at < len(d.tables) && d.tables[at].start < to; at++ {
		table := d.tables[at]
		if table.entries == 0 {
			continue
		}
		addresses(min(table.start, to))
		address := d.old.address(table.start)
		base := d.mapped(address)
		entry := table.start + max(0, (from-table.start+3)/4*4)
		for ; entry < min(table.end(), to) && entry <= s.end-4; entry += 4 {
			if d.inStep(entry) {
				d.fields = append(d.fields, field{entry, fromAddress, address + d.word(entry), base})
			}
		}
		next = max(next, (table.end()+7)&^7)
	}
	addresses(to)
}

// addresses that data may hold.
func (d *Decoder) addresses() (low int32, high int64) {
	if len(d.old) == 0 {
		return 0, 0
	}
	last := d.old[len(d.old)-1]
	return max(1<<16, d.old[0].address+4096), int64(last.address) + int64(last.memory)
}
