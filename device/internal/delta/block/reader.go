package block

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Limits of the format.
const (
	// MaxSize of a block's unpacked streams together.
	MaxSize = 1 << 23
	// maxWindow of a packed stream.
	maxWindow = 1 << 23
	// buffers of a decoder besides its blocks.
	buffers = 1 << 22
)

// Memory is what a decoder with blocks of that size needs, besides what a coding needs for itself.
func Memory(size int64) int64 { return 2*size + maxWindow + buffers }

// Reader of blocks. Its buffers grow to what a block says, after that has been checked.
type Reader struct {
	*bufio.Reader
	size     int64
	unpacked []byte
	packed   []byte
	zstd     *zstd.Decoder
	// shared is undefined until streams are.
	shared *shared
}

// NewReader reads blocks of at most size bytes, which is at most MaxSize.
func NewReader(r *bufio.Reader, size int64) (*Reader, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("it has blocks of %d bytes", size)
	}
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(MaxSize),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &Reader{Reader: r, size: size, zstd: decoder}, nil
}

// Close frees the memory.
func (r *Reader) Close() {
	r.zstd.Close()
	r.packed, r.unpacked = nil, nil
}

// Uvarint reads a number that stands outside of streams.
func (r *Reader) Uvarint() (int64, error) { return ReadUvarint(r.Reader) }

// Next reads the number of bytes that a block makes, at least 1 and at most limit, and its streams, which stay good until
// the next call.
func (r *Reader) Next(limit int64, streams []Stream) (int64, error) {
	makes, err := r.Uvarint()
	if err != nil {
		return 0, err
	}
	if makes < 1 || makes > limit {
		return 0, fmt.Errorf("a block of it makes %d bytes, where %d are missing", makes, limit)
	}
	return makes, r.Streams(streams)
}

// Streams reads a block without that number.
func (r *Reader) Streams(streams []Stream) error {
	var err error
	r.unpacked, err = r.read(r.unpacked, streams, r.shared.of(len(streams)))
	return err
}

// read takes what is shared from there, and has all else in a buffer, which it returns.
func (r *Reader) read(buffer []byte, streams []Stream, from []share) ([]byte, error) {
	var sizes, packed [maxStreams]int64
	sum, own := int64(0), int64(0)
	for at := range streams {
		var err error
		if sizes[at], packed[at], err = r.entry(from != nil); err != nil {
			return buffer, err
		}
		if sum += sizes[at]; sum > r.size {
			return buffer, fmt.Errorf("a block of it has more than %d bytes", r.size)
		}
		if packed[at] < sizes[at] {
			own += sizes[at]
		}
	}
	if int64(cap(buffer)) < own {
		buffer = make([]byte, own)
	}
	rest := buffer[:own]
	for at := range streams {
		if sizes[at] > 0 && packed[at] == sizes[at] {
			bytes, err := from[at].take(sizes[at])
			if err != nil {
				return buffer, err
			}
			streams[at] = NewStream(bytes)
			continue
		}
		into := rest[:sizes[at]:sizes[at]]
		rest = rest[sizes[at]:]
		if err := r.stream(into, packed[at]); err != nil {
			return buffer, err
		}
		streams[at] = NewStream(into)
	}
	return buffer, nil
}

// Skip reads over a block, and checks what it says of itself.
func (r *Reader) Skip(limit int64, streams int) (int64, error) {
	makes, err := r.Uvarint()
	if err != nil {
		return 0, err
	}
	if makes < 1 || makes > limit {
		return 0, fmt.Errorf("a block of it makes %d bytes, where %d are missing", makes, limit)
	}
	return makes, r.SkipStreams(streams)
}

// SkipStreams is Skip for a block without that number.
func (r *Reader) SkipStreams(streams int) error {
	sum, length := int64(0), int64(0)
	from := r.shared.of(streams)
	for at := range streams {
		size, packed, err := r.entry(from != nil)
		if err != nil {
			return err
		}
		if sum += size; sum > r.size {
			return fmt.Errorf("a block of it has more than %d bytes", r.size)
		}
		if size > 0 && packed == size {
			if _, err := from[at].take(size); err != nil {
				return err
			}
			continue
		}
		if packed == 0 {
			packed = size
		}
		length += packed
	}
	_, err := r.Discard(int(length))
	return Cut(err)
}

const maxStreams = sharedStreams

// entry of a block's table: the sizes of a stream unpacked and packed, the latter 0 where it is not packed, and the same where it
// is shared, if it can be.
func (r *Reader) entry(canShare bool) (size, packed int64, err error) {
	if size, err = r.Uvarint(); err != nil || size == 0 {
		return 0, 0, err
	}
	if packed, err = r.Uvarint(); err != nil {
		return 0, 0, err
	}
	if packed > size || packed == size && !canShare {
		return 0, 0, errors.New("a stream of it is packed into more bytes than it has")
	}
	return size, packed, nil
}

func (r *Reader) stream(into []byte, packed int64) error {
	if packed == 0 {
		_, err := io.ReadFull(r.Reader, into)
		return Cut(err)
	}
	if int64(cap(r.packed)) < packed {
		r.packed = make([]byte, packed)
	}
	source := r.packed[:packed]
	if _, err := io.ReadFull(r.Reader, source); err != nil {
		return Cut(err)
	}
	if err := checkFrame(source); err != nil {
		return err
	}
	out, err := r.zstd.DecodeAll(source, into[:0])
	if err != nil {
		return fmt.Errorf("a stream of it cannot be unpacked: %w", err)
	}
	if len(out) != len(into) {
		return errors.New("a stream of it has another size than it says")
	}
	return nil
}

var errFrame = errors.New("a stream of it is not one Zstandard frame")

// checkFrame sees to it that there is one frame and nothing else (RFC 8878, section 3.1.1), which asks for no dictionary and
// for no more history than the format grants.
func checkFrame(bytes []byte) error {
	var header zstd.Header
	if header.Decode(bytes) != nil || header.Skippable || header.DictionaryID != 0 {
		return errFrame
	}
	if !header.SingleSegment && header.WindowSize > maxWindow {
		return errors.New("a stream of it asks for more history than the format grants")
	}
	at := header.HeaderSize
	for last := false; !last; {
		if len(bytes)-at < 3 {
			return errFrame
		}
		block := int(bytes[at]) | int(bytes[at+1])<<8 | int(bytes[at+2])<<16
		at += 3
		size := block >> 3
		if block>>1&3 == 1 {
			size = 1 // one byte, many times
		}
		at += size
		last = block&1 != 0
	}
	if header.HasCheckSum {
		at += 4
	}
	if at != len(bytes) {
		return errFrame
	}
	return nil
}
