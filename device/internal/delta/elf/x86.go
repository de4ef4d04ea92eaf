package elf

// What follows an opcode, as docs/delta-format.md writes it: rows of 16, from 00 on.
const (
	firstTable = "" +
		"mmmmbz..mmmmbz.2" +
		"mmmmbz..mmmmbz.." +
		"mmmmbzp.mmmmbzp." +
		"mmmmbzp.mmmmbzp." +
		"pppppppppppppppp" +
		"................" +
		"..EmppppzZbM...." +
		"bbbbbbbbbbbbbbbb" +
		"MZ.Mmmmmmmmmmmmm" +
		"................" +
		"oooo....bz......" +
		"bbbbbbbbvvvvvvvv" +
		"MMw.XxMZe.w..b.." +
		"mmmm....mmmmmmmm" +
		"bbbbbbbbjj.b...." +
		"p.pp..gG......mm"
	secondTable = "" +
		"mmmmm.....m.mm.m" +
		"mmmmmmmmmmmmmmmm" +
		"mmmmmmmmmmmmmmmm" +
		"........3mAmmmmm" +
		"mmmmmmmmmmmmmmmm" +
		"mmmmmmmmmmmmmmmm" +
		"mmmmmmmmmmmmmmmm" +
		"MMMMmmm.MMmmmmmm" +
		"jjjjjjjjjjjjjjjj" +
		"mmmmmmmmmmmmmmmm" +
		"...mMmmm...mMmmm" +
		"mmmmmmmmmmMmmmmm" +
		"mmMmMMMm........" +
		"mmmmmmmmmmmmmmmm" +
		"mmmmmmmmmmmmmmmm" +
		"mmmmmmmmmmmmmmmm"
)

// instruction is where in it numbers of four bytes stand; 0 for none.
type instruction struct {
	length int
	// displacement of ModRM, and whether it is relative to the end of the instruction.
	displacement int
	relative     bool
	// immediate of four bytes, and whether it is a distance to jump.
	immediate int
	jump      bool
}

// reach is the most bytes that an instruction has here.
const reach = 24

const (
	hasModRM = 1 << iota
	hasByte
	isSimple
	isPrefix
)

// opcodes of the first table: which are prefixes, and all of those on which nothing depends but what the letter says.
var opcodes = func() (of [256]byte) {
	for at := range of {
		switch firstTable[at] {
		case '.':
			of[at] = isSimple
		case 'm':
			of[at] = isSimple | hasModRM
		case 'b':
			of[at] = isSimple | hasByte
		case 'M':
			of[at] = isSimple | hasModRM | hasByte
		case 'p':
			of[at] = isPrefix
		}
	}
	return of
}()

const (
	modRMSize     = 15
	modRMWide     = 1 << 4
	modRMRelative = 1 << 5
	// modRMBase says that a displacement of four bytes depends on the SIB byte.
	modRMBase = 1 << 6
)

// modRMs are the bytes that each ModRM has with what follows it, and what kind of displacement is among them.
var modRMs = func() (of [256]byte) {
	for value := range of {
		mod, rm := value>>6, value&7
		size := byte(1)
		if mod != 3 && rm == 4 {
			size++
		}
		switch {
		case mod == 0 && rm == 5:
			size += 4 | modRMWide | modRMRelative
		case mod == 0 && rm == 4:
			size |= modRMBase
		case mod == 1:
			size++
		case mod == 2:
			size += 4 | modRMWide
		}
		of[value] = size
	}
	return of
}()

// modRM returns where what follows it begins.
func (i *instruction) modRM(code []byte, at int) int {
	entry := modRMs[code[at]]
	end := at + int(entry&modRMSize)
	switch {
	case entry&modRMWide != 0:
		i.displacement, i.relative = end-4, entry&modRMRelative != 0
	case entry&modRMBase != 0 && code[at+1]&7 == 5:
		i.displacement = end
		end += 4
	}
	return end
}

// decode the instruction at the start of code, which has at least reach bytes.
func decode(code []byte) (i instruction) {
	_ = code[reach-1]
	at, last, narrow := 0, byte(0), false
	opcode := code[0]
	flags := opcodes[opcode]
	for flags == isPrefix && at < 8 {
		last = opcode
		narrow = narrow || last == 0x66
		at++
		opcode = code[at]
		flags = opcodes[opcode]
	}
	at++
	if flags&isSimple != 0 {
		if flags&hasModRM != 0 {
			at = i.modRM(code, at)
		}
		i.length = at + int(flags&hasByte)/hasByte
		return i
	}
	four := 4
	if narrow {
		four = 2
	}
	immediate := 0
	switch firstTable[opcode] {
	case 'p': // a ninth prefix
	case 'w':
		immediate = 2
	case 'e':
		immediate = 3
	case 'z':
		immediate = four
	case 'Z':
		at = i.modRM(code, at)
		immediate = four
	case 'v':
		immediate = four
		if last >= 0x48 && last <= 0x4f {
			immediate = 8
		}
	case 'o':
		immediate = 8
	case 'j':
		immediate, i.jump = 4, true
	case 'g', 'G':
		first := code[at]>>3&7 <= 1
		at = i.modRM(code, at)
		if first && opcode == 0xf6 {
			immediate = 1
		} else if first {
			immediate = four
		}
	case '2':
		opcode = code[at]
		at++
		switch secondTable[opcode] {
		case 'm':
			at = i.modRM(code, at)
		case 'M':
			at = i.modRM(code, at)
			immediate = 1
		case 'j':
			immediate, i.jump = 4, true
		case '3':
			at = i.modRM(code, at+1)
		case 'A':
			at = i.modRM(code, at+1)
			immediate = 1
		}
	case 'x':
		at, immediate = i.vector(code, at+1, 1)
	case 'X':
		at, immediate = i.vector(code, at+2, code[at]&31)
	case 'E':
		at, immediate = i.vector(code, at+3, code[at]&7)
	}
	if immediate == 4 {
		i.immediate = at
	}
	i.length = at + immediate
	return i
}

// vector is the rest of an instruction whose prefix names a table.
func (i *instruction) vector(code []byte, at int, table byte) (end, immediate int) {
	opcode := code[at]
	at++
	if table == 1 && opcode == 0x77 {
		return at, 0
	}
	if table == 3 || table == 1 && secondTable[opcode] == 'M' {
		immediate = 1
	}
	return i.modRM(code, at), immediate
}

// distance of four bytes that leads somewhere: where it stands, 0 for none.
func (i *instruction) distance() int {
	switch {
	case i.jump:
		return i.immediate
	case i.relative:
		return i.displacement
	}
	return 0
}

// sweep is how far before a chunk decoding begins, to fall into step with the instructions.
const sweep = 64

// sweeping remembers where decoding came to, so that small steps of one chunk do not decode all of it again.
type sweeping struct {
	// from is where fields are looked for, 0 before the first sweep. until is the end of the step that was looked at, and
	// last the instruction before it.
	from, until, last int32
}

// x86Fields between from and to; those outside of the step are left out.
func (d *Decoder) x86Fields(s *section, from, to int32) {
	to = min(to, s.end-reach)
	at := max(from-sweep, s.start)
	if to <= from || d.old.address(at) == -1 {
		return
	}
	if known := d.sweeping; known.until > 0 && known.from == from && known.until <= d.stepStart {
		at = known.last
	}
	end, low, high := min(to, d.stepEnd), d.low, d.high
	code := d.window[at-d.windowStart:]
	last := at
	for at < end {
		i := decode(code)
		if i.displacement != 0 {
			if field := at + int32(i.displacement); field >= from && field < to && d.inStep(field) {
				value := word(code[i.displacement:])
				if i.relative {
					d.relative(field, int32(i.length-i.displacement), value)
				} else if int64(value) >= low && int64(value) < high {
					d.absolute(field, value)
				}
			}
		}
		if i.immediate != 0 {
			if field := at + int32(i.immediate); field >= from && field < to && d.inStep(field) {
				value := word(code[i.immediate:])
				if i.jump {
					d.relative(field, 4, value)
				} else if int64(value) >= low && int64(value) < high {
					d.absolute(field, value)
				}
			}
		}
		last = at
		at += int32(i.length)
		code = code[i.length:]
	}
	d.sweeping = sweeping{from, d.stepEnd, last}
}
