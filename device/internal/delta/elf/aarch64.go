package elf

// aarch64Kind is that of the field that an instruction is.
func aarch64Kind(word int32) (fieldKind, bool) {
	w := uint32(word)
	switch {
	case w&0x7c000000 == 0x14000000:
		return branch26, true
	case w&0xff000010 == 0x54000000, w&0x7e000000 == 0x34000000:
		return branch19, true
	case w&0x7e000000 == 0x36000000:
		return branch14, true
	case w&0x9f000000 == 0x10000000:
		return adr, true
	case w&0x9f000000 == 0x90000000:
		return page, true
	case w&0xffc00000 == 0x91000000:
		return lowAdd, true
	case w&0x3b000000 == 0x39000000:
		return lowLoad, true
	}
	return 0, false
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

// pageOf a register, as the code before an instruction set it; without one, its place is -1.
type pageOf struct {
	place, address int32
	// field of the page in the list; -1 where it is none, or has the target of its first low part already.
	field int
}

// aarch64Fields between from and to; those outside of the step are left out.
func (d *Decoder) aarch64Fields(s *section, from, to int32) {
	begin := max(from-pageReach, s.start)
	if s.start&3 != 0 || d.old.address(begin) == -1 {
		return
	}
	end := int32(min(int64(to)+pageReach, int64(s.end), int64(d.stepEnd)+pageReach))
	var pages [32]pageOf
	for at := range pages {
		pages[at].place = -1
	}
	for at := begin; at <= end-4; at += 4 {
		word := d.word(at)
		kind, ok := aarch64Kind(word)
		if !ok {
			continue
		}
		wanted := at >= from && at < to && d.inStep(at)
		if !wanted && kind < page {
			continue
		}
		address := d.oldAddress(at)
		switch {
		case kind < page:
			d.fields = append(d.fields, field{at, kind, address + operandOf(word, kind), 0})
		case kind == page:
			target := address&^4095 + operandOf(word, page)
			pages[word&31] = pageOf{at, target, -1}
			if wanted {
				pages[word&31].field = len(d.fields)
				d.fields = append(d.fields, field{at, page, target, 0})
			}
		default:
			of := &pages[word>>5&31]
			if of.place < 0 || at-of.place > pageReach {
				continue
			}
			target := of.address + operandOf(word, kind)
			if of.field >= 0 {
				d.fields[of.field].target = target
				of.field = -1
			}
			if wanted {
				d.fields = append(d.fields, field{at, kind, target, 0})
			}
			if kind == lowAdd && word&31 == word>>5&31 {
				of.place = -1
			}
		}
	}
}

// restoreAarch64 subtracts from the operands of inserted code what was added to them. address is that of the first byte.
func restoreAarch64(code []byte, address int32) {
	for at := int(-address & 3); at+4 <= len(code); at += 4 {
		word := int32(word(code[at:]))
		place := uint32(address) + uint32(at)
		switch kind, _ := aarch64Kind(word); {
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
