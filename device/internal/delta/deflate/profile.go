// Package deflate makes the deflate streams (RFC 1951) that zlib or gzip make of the same bytes: which of all possible ones
// that is, docs/deflate-profiles.md says.
package deflate

import "fmt"

// profile is how a stream was made.
type profile struct {
	gzip     bool
	level    int
	hashBits int
	// symbols of a block at most: literals and matches.
	symbols int
}

// profileOf is the one that a list of members names.
func profileOf(number int) (profile, bool) {
	level := number % 16
	if level < 1 || level > 9 {
		return profile{}, false
	}
	switch number / 16 {
	case 0:
		return profile{level: level, hashBits: 15, symbols: 1<<14 - 1}, true
	case 1:
		return profile{level: level, hashBits: 16, symbols: 1<<15 - 1}, true
	case 2:
		return profile{gzip: true, level: level, hashBits: 15, symbols: 1<<15 - 1}, true
	default:
		return profile{}, false
	}
}

// Known fails for a profile that is not.
func Known(number int) error {
	if _, ok := profileOf(number); !ok {
		return fmt.Errorf("it has the deflate profile %d, which is not known", number)
	}
	return nil
}

// effort is how hard a level searches.
type effort struct {
	// A match of good bytes or more is improved with a quarter of the effort.
	good int
	// Lazy: a match of so many bytes or more is taken at once. Greedy: strings within longer ones are not remembered.
	lazy int
	// The search ends with a match of nice bytes.
	nice int
	// Old strings that are looked at, at most.
	chain int
}

var efforts = [...]effort{
	{4, 4, 8, 4}, {4, 5, 16, 8}, {4, 6, 32, 32},
	{4, 4, 16, 16}, {8, 16, 32, 32}, {8, 16, 128, 128},
	{8, 32, 128, 256}, {32, 128, 258, 1024}, {32, 258, 258, 4096},
}

// greedyLevel and those below take every match that they find.
const greedyLevel = 3
