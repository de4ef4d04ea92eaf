package deflate

// Numbers of RFC 1951, 3.2.5 to 3.2.7.
const (
	endOfBlock    = 256
	lengthBase    = 257
	literalCodes  = 286
	distanceCodes = 30
	lengthCodes   = 19
	shortestMatch = 3
	longestMatch  = 258
)

var (
	lengthExtra = []uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

	distanceExtra = []uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

	// repeatExtra are those of the codes that say lengths of codes.
	repeatExtra = []uint8{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7}
	lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

var (
	// lengthCode by length - 3, from 0 on; lengthStart by code: the first length - 3.
	lengthCode  [256]uint8
	lengthStart [29]uint8
	// nearCode by distance - 1 below 256, farCode by (distance - 1) / 128 from 256 on; distanceStart by code.
	nearCode, farCode [256]uint8
	distanceStart     [distanceCodes]int

	fixedLiterals, fixedDistances code
)

// code is a prefix code: the length of each symbol's bits, and the bits in the order in which they are sent.
type code struct {
	lengths []uint8
	bits    []uint16
}

func init() {
	at := 0
	for each := range 28 {
		lengthStart[each] = uint8(at)
		for range 1 << lengthExtra[each] {
			lengthCode[at] = uint8(each)
			at++
		}
	}
	// 258 has a code of its own.
	lengthCode[255], lengthStart[28] = 28, 255
	at = 0
	for each := range distanceCodes {
		distanceStart[each] = at
		for end := at + 1<<distanceExtra[each]; at < end; {
			if at < 256 {
				nearCode[at] = uint8(each)
				at++
			} else {
				farCode[at>>7] = uint8(each)
				at += 128
			}
		}
	}
	fixedLiterals = code{make([]uint8, 288), make([]uint16, 288)}
	for at := range fixedLiterals.lengths {
		switch {
		case at < 144:
			fixedLiterals.lengths[at] = 8
		case at < 256:
			fixedLiterals.lengths[at] = 9
		case at < 280:
			fixedLiterals.lengths[at] = 7
		default:
			fixedLiterals.lengths[at] = 8
		}
	}
	fixedDistances = code{make([]uint8, distanceCodes), make([]uint16, distanceCodes)}
	for at := range fixedDistances.lengths {
		fixedDistances.lengths[at] = 5
	}
	fixedLiterals.canonical(288)
	fixedDistances.canonical(distanceCodes)
}

// distanceCode of a distance - 1.
func distanceCode(distance int) int {
	if distance < 256 {
		return int(nearCode[distance])
	}
	return int(farCode[distance>>7])
}

// canonical makes the bits of the first so many symbols out of their lengths.
func (c *code) canonical(symbols int) {
	var next [17]int
	for _, length := range c.lengths[:symbols] {
		next[length+1]++
	}
	next[1] = 0
	for length := 2; length < len(next); length++ {
		next[length] = (next[length] + next[length-1]) << 1
	}
	for symbol, length := range c.lengths[:symbols] {
		if length == 0 {
			continue
		}
		value, reversed := next[length], uint16(0)
		next[length]++
		for range length {
			reversed = reversed<<1 | uint16(value&1)
			value >>= 1
		}
		c.bits[symbol] = reversed
	}
}
