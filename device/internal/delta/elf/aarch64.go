package elf

import "math"

// noField is the kind of what is no field.
const noField = math.MaxUint8

// aarch64Kinds of instructions by their upper byte; of some aarch64Kind has to look at the rest.
var aarch64Kinds = func() (of [256]fieldKind) {
	for at := range of {
		switch {
		case at&0x7c == 0x14:
			of[at] = branch26
		case at == 0x54, at&0x7e == 0x34:
			of[at] = branch19
		case at&0x7e == 0x36:
			of[at] = branch14
		case at&0x9f == 0x10:
			of[at] = adr
		case at&0x9f == 0x90:
			of[at] = page
		case at == 0x91:
			of[at] = lowAdd
		case at&0x3b == 0x39:
			of[at] = lowLoad
		default:
			of[at] = noField
		}
	}
	return of
}()

// aarch64Kind is that of the field that an instruction is. Most are none, which their upper byte tells.
func aarch64Kind(word int32) fieldKind {
	kind := aarch64Kinds[uint32(word)>>24]
	if kind == noField || kind == branch19 && uint32(word)&0xff000010 == 0x54000010 || kind == lowAdd && word&0x00c00000 != 0 {
		return noField
	}
	return kind
}

func operandBits(kind fieldKind) int32 {
	switch kind {
	case branch26:
		return 0x03ffffff
	case branch19:
		return 0x00ffffe0
	case branch14:
		return 0x0007ffe0
	case adr, page:
		return 0x60ffffe0
	default:
		return 0x003ffc00
	}
}

// moves is the logarithm of how many bytes a load or store moves.
func moves(word int32) int {
	if w := uint32(word); w>>30 != 0 || w&0x04800000 != 0x04800000 {
		return int(w >> 30)
	}
	return 4
}

// operandOf an instruction, in bytes.
func operandOf(word int32, kind fieldKind) int32 {
	switch kind {
	case branch26:
		return word << 6 >> 4
	case branch19:
		return word << 8 >> 13 << 2
	case branch14:
		return word << 13 >> 18 << 2
	case adr:
		return word<<8>>13<<2 | word>>29&3
	case page:
		return (word<<8>>13<<2 | word>>29&3) << 12
	case lowAdd:
		return word >> 10 & 0xfff
	default:
		return word >> 10 & 0xfff << moves(word)
	}
}

// withOperand puts another operand into an instruction.
func withOperand(word int32, kind fieldKind, operand int32) int32 {
	var bits int32
	switch kind {
	case branch26:
		bits = operand >> 2
	case branch19, branch14:
		bits = operand >> 2 << 5
	case page:
		operand >>= 12
		bits = operand>>2&0x7ffff<<5 | operand&3<<29
	case adr:
		bits = operand>>2&0x7ffff<<5 | operand&3<<29
	case lowAdd:
		bits = operand << 10
	default:
		bits = operand & 0xfff >> moves(word) << 10
	}
	mask := operandBits(kind)
	return word&^mask | bits&mask
}

// pageReach is how many bytes behind a page its low parts are.
const pageReach = 128

// pageOf a register, as the code before an instruction set it.
type pageOf struct {
	// place is noPlace where there is none.
	place, address int32
	// field of the page in the list; -1 where it is none, or has the target of its first low part already.
	field int
}

// noPlace is far from every other one.
const noPlace = math.MinInt32

// aarch64Fields between from and to, of any number of chunks whose bytes all have addresses; those outside of the step are
// left out. What is further from a field than pageReach does not matter to it.
func (d *Decoder) aarch64Fields(s *section, from, to int32) {
	if s.start&3 != 0 || d.old.address(max(from-pageReach, s.start)) == -1 {
		return
	}
	// Fields begin from first on, and before behind.
	first, behind := max(from, d.stepStart), min(to, d.stepEnd-3)
	within := uint32(max(behind-first, 0))
	begin := max(first&^3-pageReach, s.start)
	end := int32(min(int64(behind)+pageReach, int64(s.end)))
	var pages [32]pageOf
	for at := range pages {
		pages[at].place = noPlace
	}
	fields, segment := d.fields, d.oldSegment
	code := d.window[begin-d.windowStart : max(begin, end)-d.windowStart]
	for at := begin; len(code) >= 4; at, code = at+4, code[4:] {
		word := word(code)
		kind := aarch64Kind(word)
		wanted := uint32(at-first) < within
		if kind == noField || !wanted && kind < page {
			continue
		}
		if kind > page {
			of := &pages[word>>5&31]
			if uint32(at-of.place) > pageReach {
				continue
			}
			target := of.address + operandOf(word, kind)
			if of.field >= 0 {
				fields[of.field].target = target
				of.field = -1
			}
			if wanted {
				fields = append(fields, field{at, kind, target, 0})
			}
			if kind == lowAdd && word&31 == word>>5&31 {
				of.place = noPlace
			}
			continue
		}
		if !segment.has(at) {
			segment = find(d.old, at)
		}
		address := segment.translate(at)
		if kind < page {
			fields = append(fields, field{at, kind, address + operandOf(word, kind), 0})
			continue
		}
		target := address&^4095 + operandOf(word, page)
		pages[word&31] = pageOf{at, target, -1}
		if wanted {
			pages[word&31].field = len(fields)
			fields = append(fields, field{at, page, target, 0})
		}
	}
	d.fields, d.oldSegment = fields, segment
}

// restoreAarch64 subtracts from the operands of inserted code what was added to them. address is that of the first byte.
func restoreAarch64(code []byte, address int32) {
	for at := int(-address & 3); at+4 <= len(code); at += 4 {
		word := int32(word(code[at:]))
		place := uint32(address) + uint32(at)
		switch kind := aarch64Kind(word); {
		case kind == branch26:
			word = word&^0x03ffffff | (word-int32(place>>2))&0x03ffffff
		case kind == page:
			sum := word<<8>>13<<2 | word>>29&3
			word = withOperand(word, adr, sum-int32(place>>12))
		default:
			continue
		}
		putWord(code[at:], word)
	}
}
