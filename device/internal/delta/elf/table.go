package elf

import (
	"encoding/binary"
	"errors"
	"io"
	"sort"
)

var errTable = errors.New("it has an unwind table that cannot be made")

// tableMaker holds a file back from the start of its unwind table to the end of the records, and makes the table of them.
type tableMaker struct {
	w io.Writer
	making
	addresses segments
	place     int32
	held      []byte
}

func (t *tableMaker) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		part := p
		inside := t.place >= t.table && t.place < t.end
		switch {
		case inside:
			part = p[:min(len(p), int(t.end-t.place))]
			if t.held == nil {
				t.held = make([]byte, 0, t.end-t.table)
			}
			t.held = append(t.held, part...)
		case t.place < t.table:
			part = p[:min(len(p), int(t.table-t.place))]
			fallthrough
		default:
			if _, err := t.w.Write(part); err != nil {
				return 0, err
			}
		}
		t.place += int32(len(part))
		p = p[len(part):]
		if inside && t.place == t.end {
			if err := t.make(); err != nil {
				return 0, err
			}
			if _, err := t.w.Write(t.held); err != nil {
				return 0, err
			}
			t.held = nil
		}
	}
	return written, nil
}

func (t *tableMaker) make() error {
	records := t.held[t.records-t.table:]
	into := entries(t.held[12 : t.tableEnd-t.table])
	address := t.addresses.address(t.table)
	count := 0
	for at := 0; len(records)-at >= 8; {
		size := int64(word(records[at:]))
		if size < 4 || size > int64(len(records)-at-4) {
			break
		}
		if word(records[at+4:]) != 0 {
			if size < 8 || at&3 != 0 || count == into.Len() {
				return errTable
			}
			place := t.making.records + int32(at)
			into.set(count, word(records[at+8:])+t.addresses.address(place+8)-address, int32(at))
			count++
		}
		at += int(size) + 4
	}
	if count != into.Len() {
		return errTable
	}
	sort.Sort(into)
	for at := range count {
		start, record := into.get(at)
		into.set(at, start, t.addresses.address(t.making.records+record)-address)
	}
	return nil
}

// entries of an unwind table: eight bytes each, where code begins and which record it has.
type entries []byte

func (e entries) Len() int { return len(e) / 8 }

func (e entries) get(at int) (start, record int32) { return word(e[8*at:]), word(e[8*at+4:]) }

func (e entries) set(at int, start, record int32) {
	putWord(e[8*at:], start)
	putWord(e[8*at+4:], record)
}

func (e entries) Less(i, j int) bool {
	start, record := e.get(i)
	other, otherRecord := e.get(j)
	return start < other || start == other && record < otherRecord
}

func (e entries) Swap(i, j int) {
	a, b := binary.LittleEndian.Uint64(e[8*i:]), binary.LittleEndian.Uint64(e[8*j:])
	binary.LittleEndian.PutUint64(e[8*i:], b)
	binary.LittleEndian.PutUint64(e[8*j:], a)
}
