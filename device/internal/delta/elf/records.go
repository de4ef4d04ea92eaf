package elf

import "imgbuild/device/internal/delta"

// records of a section follow each other, so that those of a chunk are found by going through all before it: once. From then
// on marks say where to begin.
type records struct {
	// marks are the starts of the records that reach to each markDistance bytes of the section.
	marks []int32
	// furthest is the last record whose place is known.
	furthest int32
	// last is where the last search ended.
	last int32
	// known says that furthest has been set.
	known bool
}

const markDistance = 1024

// recordAt is the start of the record that has an offset, or the last one before it. size is that of a record, 0 for one that
// is none, with which they end.
func (s *section) recordAt(offset int32, size func(at int32) int32) int32 {
	r := &s.records
	if !r.known {
		*r = records{marks: make([]int32, 0, (s.end-s.start)/markDistance+1), furthest: s.start, last: s.start, known: true}
	}
	at := r.last
	if at > offset {
		at = s.start
	}
	if count := len(r.marks); count > 0 {
		at = max(at, r.marks[min(int(offset-s.start)/markDistance, count-1)])
	}
	for at < offset {
		length := size(at)
		if length == 0 {
			break
		}
		next := at + length
		if at == r.furthest {
			for int64(s.start)+int64(len(r.marks))*markDistance < int64(next) {
				r.marks = append(r.marks, at)
			}
			r.furthest = next
		}
		if next > offset {
			break
		}
		at = next
	}
	r.last = at
	return at
}

// unwindSize is that of an unwind record with its own length.
func (d *Decoder) unwindSize(s *section) func(int32) int32 {
	return func(at int32) int32 {
		if s.end-at < 8 {
			return 0
		}
		size := word(d.bytes(at, 4))
		if size < 4 || size > s.end-at-4 {
			return 0
		}
		return size + 4
	}
}

func (d *Decoder) unwindFields(s *section, from, to int32) {
	size := d.unwindSize(s)
	for at := s.recordAt(from, size); at < to; {
		length := size(at)
		if length == 0 {
			return
		}
		d.unwindRecord(s, at, length, from, to)
		at += length
	}
}

func (d *Decoder) unwindRecord(s *section, at, length, from, to int32) {
	if int64(at)+72 <= int64(from) {
		return // what it has of fields is before
	}
	var copied [24]byte
	head := copied[:copy(copied[:], d.bytes(at, min(24, length)))]
	if word(head[4:]) == 0 {
		if common, ok := d.commonRecord(s, at); ok && common.personality != 0 && common.personality+4 <= length {
			if pointer := at + common.personality; isIn(pointer, from, to) {
				d.distance(pointer)
			}
		}
		return
	}
	if length < 16 {
		return
	}
	if isIn(at+4, from, to) && d.inStep(at+4) {
		d.fields = append(d.fields, field{at + 4, back, at + 4 - d.word(at+4), 0})
	}
	if isIn(at+8, from, to) {
		d.distance(at + 8)
	}
	if length < 21 || !isIn(at+17, from, to) || head[16] < 4 || word(head[17:]) == 0 {
		return
	}
	origin := int64(at) + 4 - int64(word(head[4:]))
	if origin < int64(s.start) || origin > int64(s.end) {
		return
	}
	if common, ok := d.commonRecord(s, int32(origin)); ok && common.coding&15 == 11 {
		d.distance(at + 17)
	}
}

// common is what of a common record matters: where its personality pointer stands, 0 for none, and how tables are coded.
type common struct {
	personality int32
	coding      byte
}

// commonRecord reads the augmentation of a common record.
func (d *Decoder) commonRecord(s *section, at int32) (found common, ok bool) {
	if s.end-at < 16 {
		return found, false
	}
	bytes := d.bytes(at, min(64, s.end-at))
	if word(bytes[4:]) != 0 {
		return found, false
	}
	if bytes[9] != 'z' {
		return found, true
	}
	letters := bytes[9:min(25, len(bytes))]
	place := len(letters)
	for each, letter := range letters {
		if letter == 0 {
			place = each
			break
		}
	}
	letters = letters[:place]
	place += 10
	for range 4 {
		for place < len(bytes) && bytes[place] >= 0x80 {
			place++
		}
		place++
	}
	for _, letter := range letters[1:] {
		if place >= len(bytes) {
			return found, true
		}
		switch letter {
		case 'R':
			place++
		case 'L':
			found.coding = bytes[place]
			place++
		case 'P':
			if low := bytes[place] & 15; low != 11 && low != 3 {
				return found, true
			}
			found.personality = int32(place + 1)
			place += 5
		}
	}
	return found, true
}

// goSize is that of a record of Go's with what fills it up; 0 for one that is none.
func (d *Decoder) goSize(s *section) func(int32) int32 {
	alignment := s.bases[4]
	return func(at int32) int32 {
		if s.end-at < goHead {
			return 0
		}
		size, ok := goSize(d.bytes(at, goHead))
		if !ok {
			return 0
		}
		size = (size + alignment - 1) / alignment * alignment
		if size > s.end-at {
			return 0
		}
		return size
	}
}

const goHead = 44

func goSize(head []byte) (int32, bool) {
	n, m := uint32(word(head[28:])), int32(head[43])
	if n > 64 || m > 32 {
		return 0, false
	}
	return goHead + 4*(int32(n)+m), true
}

func (d *Decoder) goFields(s *section, from, to int32) {
	if s.bases[4] < 4 || s.bases[4] > 64 {
		return
	}
	size := d.goSize(s)
	for at := s.recordAt(from, size); at < to; {
		length := size(at)
		if length == 0 {
			return
		}
		d.goRecord(s, at, from, to)
		at += length
	}
}

func (d *Decoder) goRecord(s *section, at, from, to int32) {
	head := d.bytes(at, goHead)
	n, m := word(head[28:]), int32(head[43])
	put := func(kind fieldKind, place int32, base int, none int32) {
		if isIn(place, from, to) && d.inStep(place) && (none == 1 || d.word(place) != none) {
			d.from(kind, place, s, base)
		}
	}
	const always = 1
	put(fromAddress, at, 0, always)
	put(fromOffset, at+4, 1, always)
	for _, place := range [...]int32{16, 20, 24} {
		put(fromOffset, at+place, 2, 0)
	}
	for each := range n {
		put(fromOffset, at+goHead+4*each, 2, 0)
	}
	for each := n; each < n+m; each++ {
		put(fromAddress, at+goHead+4*each, 3, -1)
	}
}

// pages of the old file that are read besides the window: what a field depends on may stand far from it.
type pages struct {
	file  delta.File
	pages [32]oldPage
	// joined is what lies in more than one page.
	joined [64]byte
	failed error
}

type oldPage struct {
	start int64
	bytes []byte
}

const pageSize = 4096

// read at most 64 bytes, which are there until the next call. What cannot be read is zero, and the error is kept.
func (p *pages) read(at, size int32) []byte {
	page := p.page(int64(at) &^ (pageSize - 1))
	inside := int64(at) - page.start
	if inside+int64(size) <= pageSize {
		return page.bytes[inside : inside+int64(size)]
	}
	n := copy(p.joined[:size], page.bytes[inside:])
	copy(p.joined[n:size], p.page(page.start+pageSize).bytes)
	return p.joined[:size]
}

func (p *pages) page(start int64) *oldPage {
	page := &p.pages[start/pageSize%int64(len(p.pages))]
	if page.bytes == nil {
		page.bytes, page.start = make([]byte, pageSize), -1
	}
	if page.start != start {
		clear(page.bytes)
		page.start = start
		length := min(pageSize, p.file.Size()-start)
		if n, err := p.file.ReadAt(page.bytes[:max(length, 0)], start); int64(n) < length {
			p.failed = err
		}
	}
	return page
}

// bytes of the old file, at most 64.
func (d *Decoder) bytes(at, size int32) []byte {
	if start := at - d.windowStart; start >= 0 && int64(start)+int64(size) <= int64(len(d.window)) {
		return d.window[start : start+size]
	}
	return d.pages.read(at, size)
}
