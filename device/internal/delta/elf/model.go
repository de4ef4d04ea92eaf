package elf

import (
	"errors"
	"fmt"

	"imgbuild/device/internal/delta/block"
)

// Limits of the first block.
const (
	fileLimit     = 1 << 31
	copyLimit     = 1 << 20
	segmentLimit  = 64
	sectionLimit  = 256
	tableLimit    = 1 << 19
	heldBackLimit = 12 << 20
	// stepSize is the largest part of a file that is made at once.
	stepSize = 1 << 20
)

// kind of a section.
type kind byte

const (
	other kind = iota
	x86Code
	aarch64Code
	relocations
	data
	unwindRecords
	unwindTable
	symbols
	goIndex
	goRecords
	kinds
)

// bases that a section of each kind has.
var bases = [kinds]int{unwindTable: 1, symbols: 1, goIndex: 2, goRecords: 5}

// segment of a file that has addresses.
type segment struct{ offset, address, size, memory int32 }

func (s *segment) has(offset int32) bool         { return uint32(offset-s.offset) < uint32(s.size) }
func (s *segment) hasAddress(address int32) bool { return uint32(address-s.address) < uint32(s.size) }
func (s *segment) inMemory(address int32) bool   { return uint32(address-s.address) < uint32(s.memory) }

type segments []segment

// address of a byte of the file, -1 for none.
func (s segments) address(offset int32) int32 {
	for at := range s {
		if s[at].has(offset) {
			return offset - s[at].offset + s[at].address
		}
	}
	return -1
}

func (s segments) inMemory(address int32) bool {
	for at := range s {
		if s[at].inMemory(address) {
			return true
		}
	}
	return false
}

// end of the last segment's bytes, as an address.
func (s segments) end() int32 {
	if len(s) == 0 {
		return 0
	}
	last := s[len(s)-1]
	return last.address + last.size
}

type section struct {
	kind kind
	// start and end in the old file, and in the new one.
	start, end, newStart, newEnd int32
	bases, newBases              [5]int32
	records                      records
}

// copied part of the old file.
type copied struct{ from, to, size int32 }

// jumpTable of the old file.
type jumpTable struct{ start, entries int32 }

func (t jumpTable) end() int32 { return t.start + 4*t.entries }

// unwind table that is to be made of the records, as offsets in the new file.
type making struct{ table, tableEnd, records, end int32 }

// model is what the first block says.
type model struct {
	oldSize, newSize int32
	copies           []copied
	old, new         segments
	low, high        int64
	sections         []section
	tables           []jumpTable
	// making is nil where no unwind table is to be made.
	making *making
}

type modelReader struct {
	block.Stream
	// grant is what is left of the memory that the header declares.
	grant int64
}

var errMemory = errors.New("it needs more memory than it declares")

func (r *modelReader) take(bytes int64) error {
	if r.grant -= bytes; r.grant < 0 {
		return errMemory
	}
	return nil
}

func (r *modelReader) count(limit int64, what string) (int, error) {
	count, err := r.Uvarint()
	if err == nil && count > limit {
		err = fmt.Errorf("it has %d %s", count, what)
	}
	return int(count), err
}

// readModel reads the first block. grant is the memory that is declared, besides that of blocks.
func readModel(r *block.Reader, oldSize, newSize, grant int64) (*model, error) {
	if oldSize >= fileLimit || newSize >= fileLimit {
		return nil, errors.New("it codes a file of 2 GiB or more as an ELF file")
	}
	var streams [4]block.Stream
	if err := r.Streams(streams[:]); err != nil {
		return nil, err
	}
	in := &modelReader{streams[0], grant - fixedMemory}
	if in.grant < 0 {
		return nil, errMemory
	}
	m := &model{oldSize: int32(oldSize), newSize: int32(newSize)}
	if err := m.readCopies(in, streams[1:]); err != nil {
		return nil, err
	}
	var err error
	for _, each := range []struct {
		into *segments
		size int64
	}{{&m.old, oldSize}, {&m.new, newSize}} {
		if *each.into, err = readSegments(in, each.size); err != nil {
			return nil, err
		}
	}
	if m.low, err = in.Uvarint(); err != nil {
		return nil, err
	}
	if m.high, err = in.Uvarint(); err != nil {
		return nil, err
	}
	if err := m.readSections(in); err != nil {
		return nil, err
	}
	if err := m.readTables(in); err != nil {
		return nil, err
	}
	if err := m.readMaking(in); err != nil {
		return nil, err
	}
	if !in.Ended() {
		return nil, block.ErrLeft
	}
	for at := range streams[1:] {
		if !streams[1+at].Ended() {
			return nil, block.ErrLeft
		}
	}
	return m, nil
}

func (m *model) readCopies(in *modelReader, streams []block.Stream) error {
	count, err := in.count(copyLimit, "copies")
	if err != nil {
		return err
	}
	if err := in.take(56 * int64(count)); err != nil {
		return err
	}
	m.copies = make([]copied, count)
	from, to := int64(0), int64(0)
	for at := range m.copies {
		inserted, err := streams[0].Uvarint()
		if err != nil {
			return err
		}
		moved, err := streams[1].Svarint()
		if err != nil {
			return err
		}
		size, err := streams[2].Uvarint()
		if err != nil {
			return err
		}
		from, to = from+moved, to+inserted
		if size < 1 || from < 0 || size > int64(m.oldSize)-from || size > int64(m.newSize)-to {
			return errors.New("it copies what is not in the files")
		}
		m.copies[at] = copied{int32(from), int32(to), int32(size)}
		from, to = from+size, to+size
	}
	return nil
}

func readSegments(in *modelReader, fileSize int64) (segments, error) {
	count, err := in.count(segmentLimit, "segments")
	if err != nil {
		return nil, err
	}
	found := make(segments, count)
	offsetEnd, addressEnd := int64(0), int64(0)
	for at := range found {
		var numbers [4]int64
		for each := range numbers {
			if numbers[each], err = in.Uvarint(); err != nil {
				return nil, err
			}
		}
		offset, address, size, more := numbers[0], numbers[1], numbers[2], numbers[3]
		if offset < offsetEnd || address < addressEnd || size > fileSize-offset || address >= fileLimit ||
			size+more > fileLimit-1-address {
			return nil, errors.New("it has segments that are not in order, or beyond the file")
		}
		offsetEnd, addressEnd = offset+size, address+size+more
		found[at] = segment{int32(offset), int32(address), int32(size), int32(size + more)}
	}
	return found, nil
}

func (m *model) readSections(in *modelReader) error {
	count, err := in.count(sectionLimit, "sections")
	if err != nil {
		return err
	}
	m.sections = make([]section, count)
	end, shift := int64(0), int64(0)
	for at := range m.sections {
		code, err := in.Byte()
		if err != nil {
			return err
		}
		kind := kind(code)
		if kind >= kinds {
			return fmt.Errorf("it has a section of the kind %d", kind)
		}
		s := &m.sections[at]
		s.kind = kind
		var numbers [4]int64
		for each := range numbers {
			if each < 2 {
				numbers[each], err = in.Uvarint()
			} else {
				numbers[each], err = in.Svarint()
			}
			if err != nil {
				return err
			}
		}
		start, size := end+numbers[0], numbers[1]
		shift += numbers[2]
		newStart, newSize := start+shift, size+numbers[3]
		if size > int64(m.oldSize)-start || newStart < 0 || newSize < 0 || newSize > int64(m.newSize)-newStart {
			return errors.New("it has sections beyond the files")
		}
		end = start + size
		s.start, s.end = int32(start), int32(end)
		s.newStart, s.newEnd = int32(newStart), int32(newStart+newSize)
		for each := range bases[s.kind] {
			old, err := in.Uvarint()
			if err != nil {
				return err
			}
			moved, err := in.Svarint()
			if err != nil {
				return err
			}
			if old >= fileLimit || old+moved < 0 || old+moved >= fileLimit {
				return errors.New("it has sections with bases beyond 2^31")
			}
			s.bases[each], s.newBases[each] = int32(old), int32(old+moved)
		}
	}
	return nil
}

func (m *model) readTables(in *modelReader) error {
	count, err := in.count(tableLimit, "jump tables")
	if err != nil {
		return err
	}
	if err := in.take(8 * int64(count)); err != nil {
		return err
	}
	m.tables = make([]jumpTable, count)
	end := int64(0)
	for at := range m.tables {
		gap, err := in.Uvarint()
		if err != nil {
			return err
		}
		entries, err := in.Uvarint()
		if err != nil {
			return err
		}
		start := end + gap
		if start > int64(m.oldSize) || entries > (int64(m.oldSize)-start)/4 {
			return errors.New("it has jump tables beyond the old file")
		}
		end = start + 4*entries
		m.tables[at] = jumpTable{int32(start), int32(entries)}
	}
	return nil
}

func (m *model) readMaking(in *modelReader) error {
	flag, err := in.Byte()
	if err != nil || flag == 0 {
		return err
	}
	if flag != 1 {
		return errors.New("it does not say whether an unwind table is to be made")
	}
	var numbers [4]int64
	for each := range numbers {
		if numbers[each], err = in.Uvarint(); err != nil {
			return err
		}
		if numbers[each] >= fileLimit {
			return errTable
		}
	}
	table := numbers[0]
	tableEnd := table + numbers[1]
	records := tableEnd + numbers[2]
	end := records + numbers[3]
	if end > int64(m.newSize) || end-table > heldBackLimit || numbers[1] < 20 || (numbers[1]-12)%8 != 0 {
		return errTable
	}
	m.making = &making{int32(table), int32(tableEnd), int32(records), int32(end)}
	return in.take(end - table)
}
