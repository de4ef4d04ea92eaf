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

func (p *predictor) teach(from, to int32) {
	if p.new.inMemory(to) {
		p.learned[slot(from)] = learned{from, to - from}
	}
}

// predict what a field has become whose word was old. offset is its place in the new file, address its address there.
func (p *predictor) predict(f *field, old, offset, address int32) int32 {
	switch f.kind {
	case relative:
		return p.of(f.target) - address - f.base
	case distance:
		return p.of(f.target) - address
	case absolute:
		return p.of(f.target)
	case fromAddress:
		return p.of(f.target) - f.base
	case fromOffset:
		return p.where.of(f.target) - f.base
	case back:
		return offset - p.where.of(f.target)
	case page:
		return withOperand(old, page, p.of(f.target)&^4095-address&^4095)
	case lowAdd, lowLoad:
		return withOperand(old, f.kind, p.of(f.target)&4095)
	default:
		return withOperand(old, f.kind, p.of(f.target)-address)
	}
}

// learn from what a field turned out to be.
func (p *predictor) learn(f *field, predicted, word, address int32) {
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
			if to := p.registers[word>>5&31] + operandOf(word, f.kind); to != p.of(f.target) {
				p.teach(f.target, to)
			}
		}
	}
}
