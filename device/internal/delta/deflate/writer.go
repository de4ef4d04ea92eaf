package deflate

import "io"

const (
	history     = 1 << 15
	historyMask = history - 1
	windowSize  = 2 * history
	// least bytes ahead: with fewer, more are read first.
	least    = longestMatch + shortestMatch + 1
	furthest = history - least
	// tooFar is a match of three bytes beyond that: it costs more than its bytes.
	tooFar = 4096
	// thought: gzip thinks about ending a block whenever it has so many more symbols.
	thought = 4096
)

// Memory that a Writer takes at most, in bytes.
const Memory = 1 << 20

// Writer makes the stream that zlib or gzip makes of what is written to it, whatever the pieces in which that comes. It is
// src/delta/deflate/deflater.ts in Go.
type Writer struct {
	profile
	effort    effort
	hashShift int
	hashMask  int
	blocks    *blocks
	// window with some bytes more: gzip hashes what is behind the end.
	window [windowSize + 8]byte
	// heads by hash: where a string with it stood last; 0 where there was none, and so the very first is never found.
	heads []int32
	// before by place: where the one before with that hash stood.
	before [history]int32
	// base is the place in the stream of the window's first byte; the places below are in the window.
	base, at, end, blockStart int
	ended                     bool
	// length of the match at the place before, which may be taken yet.
	length, matchAt int
	literalWaits    bool
	err             error
}

// NewWriter fails for a profile that is not known.
func NewWriter(w io.Writer, number int) (*Writer, error) {
	if err := Known(number); err != nil {
		return nil, err
	}
	profile, _ := profileOf(number)
	return &Writer{
		profile:   profile,
		effort:    efforts[profile.level-1],
		hashShift: (profile.hashBits + shortestMatch - 1) / shortestMatch,
		hashMask:  1<<profile.hashBits - 1,
		blocks:    newBlocks(w, profile.symbols+1),
		heads:     make([]int32, 1<<profile.hashBits),
		length:    shortestMatch - 1,
	}, nil
}

// Reset begins another stream in the same profile and memory.
func (w *Writer) Reset(to io.Writer) {
	clear(w.heads)
	clear(w.window[:])
	w.base, w.at, w.end, w.blockStart = 0, 0, 0, 0
	w.ended, w.literalWaits, w.err = false, false, nil
	w.length, w.matchAt = shortestMatch-1, 0
	w.blocks.out = bitWriter{w: to, bytes: w.blocks.out.bytes[:0]}
	w.blocks.clear()
}

func (w *Writer) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		taken := copy(w.window[w.end:windowSize], p)
		w.end += taken
		p = p[taken:]
		if w.end == windowSize {
			w.step(false)
		}
		if w.err != nil {
			return 0, w.err
		}
	}
	return written, nil
}

// Close ends the stream.
func (w *Writer) Close() error {
	w.step(true)
	if w.literalWaits {
		w.blocks.literal(w.window[w.at-1])
	}
	w.flush(true)
	return w.err
}

func (w *Writer) step(isLast bool) {
	if w.level <= greedyLevel {
		w.greedy(isLast)
	} else {
		w.lazy(isLast)
	}
	if !isLast {
		w.slide()
	}
}

// starve: too few bytes are ahead, and there are no more. It tells whether none are left.
func (w *Writer) starve() bool {
	if !w.gzip || !w.ended {
		w.slide()
		if w.gzip {
			w.window[w.end], w.window[w.end+1] = 0, 0
		}
		w.ended = true
	}
	return w.at >= w.end
}

func (w *Writer) slide() {
	if w.at < history+furthest {
		return
	}
	copy(w.window[:history], w.window[history:windowSize])
	w.base += history
	w.at -= history
	w.end -= history
	w.blockStart -= history
}

func (w *Writer) greedy(isLast bool) {
	for w.err == nil {
		if w.end-w.at < least && (!isLast || w.starve()) {
			return
		}
		head := w.remember(w.at)
		length := 0
		if w.mayMatch(head) {
			length = w.search(head, shortestMatch-1)
		}
		full := false
		if length >= shortestMatch {
			full = w.match(w.base+w.at-w.matchAt, length)
			if length <= w.effort.lazy && (w.gzip || w.end-w.at-length >= shortestMatch) {
				for next := 1; next < length; next++ {
					w.remember(w.at + next)
				}
			}
			w.at += length
		} else {
			full = w.literal(w.window[w.at])
			w.at++
		}
		if full {
			w.flush(false)
		}
	}
}

func (w *Writer) lazy(isLast bool) {
	for w.err == nil {
		if w.end-w.at < least && (!isLast || w.starve()) {
			return
		}
		head := w.remember(w.at)
		lastLength, lastMatch := w.length, w.matchAt
		w.length = shortestMatch - 1
		if lastLength < w.effort.lazy && w.mayMatch(head) {
			w.length = w.search(head, lastLength)
			if w.length == shortestMatch && w.base+w.at-w.matchAt > tooFar {
				w.length--
			}
		}
		if lastLength >= shortestMatch && w.length <= lastLength {
			full := w.match(w.base+w.at-1-lastMatch, lastLength)
			end := w.at + lastLength - 1
			for w.at++; w.at < end; w.at++ {
				w.remember(w.at)
			}
			w.literalWaits = false
			w.length = shortestMatch - 1
			if full {
				w.flush(false)
			}
			continue
		}
		if w.literalWaits && w.literal(w.window[w.at-1]) {
			w.flush(false)
		}
		w.literalWaits = true
		w.at++
	}
}

// remember returns where a string with the same hash stood last, in the stream.
func (w *Writer) remember(at int) int {
	// zlib knows no strings that go beyond the end.
	if !w.gzip && w.end-at < shortestMatch {
		return 0
	}
	hash := (int(w.window[at])<<(2*w.hashShift) ^ int(w.window[at+1])<<w.hashShift ^ int(w.window[at+2])) & w.hashMask
	place := w.base + at
	head := w.heads[hash]
	w.before[place&historyMask] = head
	w.heads[hash] = int32(place)
	return int(head)
}

func (w *Writer) mayMatch(head int) bool {
	if head <= w.base || w.base+w.at-head > furthest {
		return false
	}
	return !w.gzip || w.at <= windowSize-least
}

// search finds the longest match that is longer than best, for matchAt; it returns its length, or best; never more than is
// ahead.
func (w *Writer) search(place, best int) int {
	base, at := w.base, w.at
	ahead := w.end - at
	nice, chain := w.effort.nice, w.effort.chain
	if best >= w.effort.good {
		chain >>= 2
	}
	// gzip searches on, and compares with whatever is behind the end.
	most := longestMatch
	if !w.gzip {
		nice, most = min(nice, ahead), min(most, ahead)
		if best >= most {
			return min(best, ahead)
		}
	}
	scan := w.window[at : at+most]
	limit := max(base, base+at-furthest)
	for {
		old := w.window[place-base:]
		if old[best] == w.window[at+best] && old[best-1] == w.window[at+best-1] && old[0] == scan[0] && old[1] == scan[1] {
			length := shortestMatch
			for length < len(scan) && old[length] == scan[length] {
				length++
			}
			if length > best {
				w.matchAt = place
				best = length
				if best >= nice {
					break
				}
			}
		}
		place = int(w.before[place&historyMask])
		chain--
		if place <= limit || chain == 0 {
			break
		}
	}
	return min(best, ahead)
}

// literal and match tell whether the block is full.
func (w *Writer) literal(each byte) bool {
	w.blocks.literal(each)
	return w.full()
}

func (w *Writer) match(distance, length int) bool {
	w.blocks.match(distance, length)
	return w.full()
}

func (w *Writer) full() bool {
	count := w.blocks.count
	if w.gzip && w.level > 2 && count%thought == 0 && w.blocks.matches < count/2 {
		// Few matches, and yet half the size: other bytes may follow, which another code suits better.
		if (8*count+w.blocks.distanceBits())>>3 < (w.at-w.blockStart)/2 {
			return true
		}
	}
	return count == w.symbols
}

func (w *Writer) flush(isLast bool) {
	var stored []byte
	if w.blockStart >= 0 {
		stored = w.window[w.blockStart:w.at]
	}
	w.err = w.blocks.flush(w.at-w.blockStart, stored, isLast)
	w.blockStart = w.at
}
