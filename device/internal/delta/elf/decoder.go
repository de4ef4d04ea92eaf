// Package elf decodes the ELF coding (docs/delta-format.md): copies from an old program whose numbers are put where the places
// that they name went.
package elf

import (
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
)

// streams of a block, in their order.
const (
	miss = iota
	wrong
	wrong0
	_
	_
	_
	gap
	run
	difference
	code
	operand
	operand0
	_
	_
	_
	plain
	streamCount
)

// Streams of a block, and of the first one.
const (
	Streams      = streamCount
	FirstStreams = 4
)

// fixedMemory is for what was learned, fields and indexes.
const fixedMemory = 1 << 24

// lookAround is how much of the old file is at hand before and behind a step.
const lookAround = pageReach + 32

// readAhead is how much of the old file is read at least, at once.
const readAhead = 1 << 12

// Decoder of files, one after the other.
type Decoder struct {
	predictor
	blocks *block.Reader
	file   delta.File
	pages  pages

	streams     [streamCount]block.Stream
	errors      block.Words
	operands    block.Words
	differences block.Differences
	// right is how many fields come next that are as predicted, -1 for all the rest of the block.
	right int64

	// The step that is being made: its bytes of the old file, and a window around them.
	stepStart, stepEnd     int32
	window                 []byte
	windowStart            int32
	oldSegment, newSegment segment
	fields                 []field
	// lastSection is where fields were looked for last, fetched what predictor.fetch returned.
	lastSection int
	fetched     int32
	read, made  []byte
	sweeping    sweeping
}

// Decode writes the new file, of size bytes, out of blocks and the old file. grant is what is declared of memory, besides
// that for blocks. The decoder's buffers are kept for the next file.
func (d *Decoder) Decode(w io.Writer, blocks *block.Reader, old delta.File, size, grant int64) error {
	model, err := readModel(blocks, old.Size(), size, grant)
	if err != nil {
		return err
	}
	if model.making != nil {
		w = &tableMaker{w: w, making: *model.making, addresses: model.new}
	}
	if d.made == nil {
		d.read, d.made = make([]byte, stepSize+chunk+2*lookAround), make([]byte, stepSize)
		d.learned = make([]learned, 1<<slotBits)
	}
	clear(d.learned)
	*d = Decoder{
		predictor: predictor{model: model, where: newWhere(model), learned: d.learned},
		blocks:    blocks, file: old, pages: pages{file: old}, fields: d.fields, read: d.read, made: d.made,
	}
	return d.decode(w)
}

func (d *Decoder) decode(w io.Writer) error {
	left := int64(0)
	for place := int32(0); ; {
		// The next part: what is inserted before a copy or at the end, and the copy.
		next := copied{0, d.newSize, 0}
		if len(d.copies) > 0 {
			next = d.copies[0]
			d.copies = d.copies[1:]
		} else if place == d.newSize {
			break
		}
		for place < next.to || next.size > 0 {
			if left == 0 {
				var err error
				if left, err = d.begin(int64(d.newSize) - int64(place)); err != nil {
					return err
				}
			}
			var step int32
			inserted := place < next.to
			if inserted {
				step = min(next.to-place, stepSize)
			} else {
				step = min(next.size, stepSize)
			}
			if int64(step) > left {
				return errors.New("it has a block that ends within a step")
			}
			var err error
			made := d.made[:step]
			if inserted {
				err = d.insert(made, place)
			} else {
				err = d.copy(made, next.from, place)
				next.from += step
				next.to += step
				next.size -= step
			}
			if err != nil {
				return err
			}
			if _, err := w.Write(made); err != nil {
				return err
			}
			place += step
			if left -= int64(step); left == 0 {
				if err := d.endBlock(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (d *Decoder) begin(missing int64) (int64, error) {
	size, err := d.blocks.Next(missing, d.streams[:])
	d.differences = block.NewDifferences(&d.streams[gap], &d.streams[run], &d.streams[difference])
	d.right = 0
	if err == nil {
		err = d.nextMiss()
	}
	return size, err
}

func (d *Decoder) endBlock() error {
	if err := d.differences.End(); err != nil {
		return err
	}
	for at := range d.streams {
		if !d.streams[at].Ended() {
			return block.ErrLeft
		}
	}
	return nil
}

func (d *Decoder) nextMiss() (err error) {
	if d.streams[miss].Ended() {
		d.right = -1
		return nil
	}
	d.right, err = d.streams[miss].Uvarint()
	return err
}

// insert bytes that the old file does not have.
func (d *Decoder) insert(made []byte, place int32) error {
	kind := other
	for at := range d.sections {
		s := &d.sections[at]
		if s.newStart <= place && place < s.newEnd {
			if int(s.newEnd-place) >= len(made) {
				kind = s.kind
			}
			break
		}
	}
	address := d.new.address(place)
	if address == -1 || kind != x86Code && kind != aarch64Code {
		bytes, err := d.streams[plain].Take(len(made))
		copy(made, bytes)
		return err
	}
	if kind == x86Code {
		return d.insertX86(made, place)
	}
	bytes, err := d.streams[code].Take(len(made))
	copy(made, bytes)
	restoreAarch64(made, address)
	return err
}

func (d *Decoder) insertX86(made []byte, place int32) error {
	in := &d.streams[code]
	var padded [reach]byte
	for len(made) >= reach {
		rest := in.Rest()
		if len(rest) < reach {
			clear(padded[:])
			copy(padded[:], rest)
			rest = padded[:]
		}
		i := decode(rest)
		at := i.distance()
		length := i.length
		if at != 0 {
			// The four bytes are not there: what is behind them comes sooner.
			length -= 4
		}
		bytes, err := in.Take(length)
		if err != nil {
			return err
		}
		if at == 0 {
			copy(made, bytes)
		} else {
			copy(made, bytes[:at])
			to, err := d.operands.Next(&d.streams[operand], d.streams[operand0:operand0+4])
			if err != nil {
				return err
			}
			putWord(made[at:], to-d.newAddress(place+int32(at)+4))
			copy(made[at+4:], bytes[at:])
		}
		made = made[i.length:]
		place += int32(i.length)
	}
	bytes, err := in.Take(len(made))
	copy(made, bytes)
	return err
}

// copy a part of the old file, its fields as they are to be in the new one.
func (d *Decoder) copy(made []byte, from, to int32) error {
	if err := d.openWindow(from, int32(len(made))); err != nil {
		return err
	}
	copy(made, d.window[from-d.windowStart:])
	end := from // of the field that was looked at last
	for start := int64(from &^ (chunk - 1)); start < int64(d.stepEnd); {
		start = d.findFields(int32(start))
		d.fetched = d.fetch(d.fields)
		for at := range d.fields {
			f := &d.fields[at]
			if f.offset < end {
				continue
			}
			end = f.offset + 4
			bytes := made[f.offset-from:]
			offset := to + f.offset - from
			address := d.newAddress(offset)
			predicted, moved := d.predict(f, word(bytes), offset, address)
			turned := predicted
			if d.right == 0 {
				wrong, err := d.errors.Next(&d.streams[wrong], d.streams[wrong0:wrong0+4])
				if err != nil {
					return err
				}
				turned += wrong
				if err := d.nextMiss(); err != nil {
					return err
				}
			} else if d.right > 0 {
				d.right--
			}
			d.learn(f, predicted, moved, turned, address)
			putWord(bytes, turned)
		}
	}
	if d.pages.failed != nil {
		return fmt.Errorf("reading the old file: %w", d.pages.failed)
	}
	return d.differences.Add(made)
}

// openWindow has the bytes of a step at hand, and what its fields depend on around them.
func (d *Decoder) openWindow(from, size int32) error {
	d.stepStart, d.stepEnd = from, from+size
	start := max(from&^(chunk-1)-lookAround, 0)
	end := int32(min(int64(d.stepEnd)+lookAround, int64(d.oldSize)))
	if start >= d.windowStart && int64(end) <= int64(d.windowStart)+int64(len(d.window)) {
		return nil // small steps often follow each other
	}
	end = max(end, int32(min(int64(start)+readAhead, int64(d.oldSize))))
	d.windowStart = start
	d.window = d.read[:end-start]
	if n, err := d.file.ReadAt(d.window, int64(start)); n < len(d.window) {
		return fmt.Errorf("reading the old file: %w", err)
	}
	return nil
}
