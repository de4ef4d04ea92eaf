package elf

// predictor puts places of the old file where they are in the new one, and learns.
type predictor struct {
	*model
	where   *where
	learned []learned
	// registers hold pages of the new file.
	registers [32]int32
}

// learned shift of an address.
type learned struct{ address, shift int32 }

const slotBits = 18

func slot(address int32) uint32 { return uint32(address) * 0x9e3779b1 >> (32 - slotBits) }

// mapped is where an address went, by the copies.
func (p *predictor) mapped(address int32) int32 {
	for at := range p.old {
		if s := &p.old[at]; s.hasAddress(address) {
			if moved := p.new.address(p.where.of(address - s.address + s.offset)); moved != -1 {
				return moved
			}
			return address
		}
	}
	if p.old.inMemory(address) {
		return address + p.new.end() - p.old.end()
	}
	return address
}

// of an address: what was learned, else what the copies say.
func (p *predictor) of(address int32) int32 {
	if known := &p.learned[slot(address)]; known.address == address && address != 0 {
		return address + known.shift
	}
	return p.mapped(address)
}

// fetch what was learned of the targets of fields, all at once: asked for one by one, each has the processor wait for memory.
func (p *predictor) fetch(fields []field) (fetched int32) {
	for at := range fields {
		fetched |= p.learned[slot(fields[at].target)].address
	}
	return fetched
}

func (p *predictor) teach(from, to int32) {
	if p.new.inMemory(to) {
		p.learned[slot(from)] = learned{from, to - from}
	}
}

// predict what a field has become whose word was old, and where its target went. offset is its place in the new file, address
// its address there.
func (p *predictor) predict(f *field, old, offset, address int32) (predicted, moved int32) {
	if f.kind == fromOffset || f.kind == back {
		moved = p.where.of(f.target)
	} else {
		moved = p.of(f.target)
	}
	switch f.kind {
	case relative:
		return moved - address - f.base, moved
	case distance:
		return moved - address, moved
	case absolute:
		return moved, moved
	case fromAddress, fromOffset:
		return moved - f.base, moved
	case back:
		return offset - moved, moved
	case page:
		return withOperand(old, page, moved&^4095-address&^4095), moved
	case lowAdd, lowLoad:
		return withOperand(old, f.kind, moved&4095), moved
	default:
		return withOperand(old, f.kind, moved-address), moved
	}
}

// learn from what a field turned out to be.
func (p *predictor) learn(f *field, predicted, moved, word, address int32) {
	switch f.kind {
	case relative:
		if word != predicted {
			p.teach(f.target, address+f.base+word)
		}
	case absolute:
		if word != predicted {
			p.teach(f.target, word)
		}
	case branch26, branch19, branch14, adr:
		if word != predicted && (word^predicted)&^operandBits(f.kind) == 0 {
			p.teach(f.target, address+operandOf(word, f.kind))
		}
	case page:
		p.registers[word&31] = address&^4095 + operandOf(word, page)
	case lowAdd, lowLoad:
		if (word^predicted)&^operandBits(f.kind) == 0 {
			if to := p.registers[word>>5&31] + operandOf(word, f.kind); to != moved {
				p.teach(f.target, to)
			}
		}
	}
}
