// Package block reads the blocks of the delta format (docs/delta-format.md): numbers, streams, and the differences that are
// common to its codings.
package block

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// MaxNumber is the largest number of the format, 2^53 - 1.
const MaxNumber = 1<<53 - 1

// Errors of numbers and streams.
var (
	ErrNumber   = errors.New("it has a number that is too large")
	ErrCut      = errors.New("it is cut off")
	ErrTooShort = errors.New("a stream of it ends too early")
	ErrLeft     = errors.New("a stream of it is longer than what it is for")
)

// Stream is one of a block, unpacked, and how much of it has been read.
type Stream struct {
	bytes []byte
	at    int
}

// NewStream begins at the first byte.
func NewStream(bytes []byte) Stream { return Stream{bytes: bytes} }

// Ended tells whether all of it has been read.
func (s *Stream) Ended() bool { return s.at == len(s.bytes) }

// Rest of it.
func (s *Stream) Rest() []byte { return s.bytes[s.at:] }

// Byte is the next one.
func (s *Stream) Byte() (byte, error) {
	if s.at == len(s.bytes) {
		return 0, ErrTooShort
	}
	s.at++
	return s.bytes[s.at-1], nil
}

// Take is the next so many bytes, which stay the stream's.
func (s *Stream) Take(size int) ([]byte, error) {
	if size > len(s.bytes)-s.at {
		return nil, ErrTooShort
	}
	s.at += size
	return s.bytes[s.at-size : s.at], nil
}

// Uvarint is the next number.
func (s *Stream) Uvarint() (int64, error) {
	if s.at < len(s.bytes) && s.bytes[s.at] < 0x80 {
		s.at++
		return int64(s.bytes[s.at-1]), nil
	}
	return ReadUvarint(s)
}

// ReadByte is Byte for io.ByteReader.
func (s *Stream) ReadByte() (byte, error) { return s.Byte() }

// Svarint is the next number, which may be negative.
func (s *Stream) Svarint() (int64, error) {
	value, err := s.Uvarint()
	if value&1 != 0 {
		return -(value + 1) / 2, err
	}
	return value / 2, err
}

// ReadUvarint reads a number: LEB128 of at most eight bytes, at most 2^53 - 1.
func ReadUvarint(r io.ByteReader) (int64, error) {
	var value int64
	for shift := 0; shift < 56; shift += 7 {
		each, err := r.ReadByte()
		if err != nil {
			return 0, Cut(err)
		}
		value |= int64(each&0x7f) << shift
		if each < 0x80 {
			if value > MaxNumber {
				return 0, ErrNumber
			}
			return value, nil
		}
	}
	return 0, ErrNumber
}

// Cut names the end of what is read, where it is not expected.
func Cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrCut
	}
	return err
}

// Words are numbers of 32 bits in five streams; the latest are remembered.
type Words struct {
	remembered [250]int32
	count      int
}

// Next reads a word: which one of those remembered, or its four bytes.
func (w *Words) Next(which *Stream, bytes []Stream) (int32, error) {
	code, err := which.Byte()
	if err != nil {
		return 0, err
	}
	at := int(code)
	var word int32
	if at > w.count {
		return 0, errors.New("it has a word that is not remembered")
	}
	if at > 0 {
		word = w.remembered[at-1]
	} else {
		var four [4]byte
		for each := range four {
			if four[each], err = bytes[each].Byte(); err != nil {
				return 0, err
			}
		}
		word = int32(binary.LittleEndian.Uint32(four[:]))
		// One that is remembered all the same moves, too.
		if at = slices.Index(w.remembered[:w.count], word) + 1; at == 0 {
			w.count = min(w.count+1, len(w.remembered))
			at = w.count
		}
	}
	copy(w.remembered[1:at], w.remembered[:at-1])
	w.remembered[0] = word
	return word, nil
}
