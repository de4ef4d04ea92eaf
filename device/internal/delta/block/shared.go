package block

import "errors"

// Streams that blocks share, in their order: those of a block of the general coding, of the first block of the ELF coding and of
// its other ones.
const sharedStreams = generalStreams + firstStreams + elfStreams

// A block's coding is told by how many streams it has.
const (
	generalStreams = 7
	firstStreams   = 4
	elfStreams     = 16
)

// share is one stream that several blocks take their parts from, one after the other. A reader that only looks through a delta
// has its size alone.
type share struct {
	bytes []byte
	left  int64
}

func (s *share) take(size int64) ([]byte, error) {
	if size > s.left {
		return nil, ErrTooShort
	}
	s.left -= size
	if s.bytes == nil {
		return nil, nil
	}
	taken := s.bytes[:size:size]
	s.bytes = s.bytes[size:]
	return taken, nil
}

type shared struct {
	streams [sharedStreams]share
	buffer  []byte
	size    int64
}

// of a block with so many streams; nil where none are shared.
func (s *shared) of(streams int) []share {
	if s == nil {
		return nil
	}
	switch streams {
	case generalStreams:
		return s.streams[:generalStreams]
	case firstStreams:
		return s.streams[generalStreams:][:firstStreams]
	case elfStreams:
		return s.streams[generalStreams+firstStreams:]
	}
	return nil
}

var errShared = errors.New("its shared streams are longer than what they are for")

// Share reads streams that the blocks behind them take their parts from. What was shared before must be used up.
func (r *Reader) Share() error {
	if err := r.AllShared(); err != nil {
		return err
	}
	if r.shared == nil {
		r.shared = &shared{}
	}
	var streams [sharedStreams]Stream
	var err error
	if r.shared.buffer, err = r.read(r.shared.buffer, streams[:], nil); err != nil {
		return err
	}
	r.shared.size = 0
	for at := range streams {
		bytes := streams[at].Rest()
		r.shared.streams[at] = share{bytes, int64(len(bytes))}
		r.shared.size += int64(len(bytes))
	}
	return nil
}

// SkipShared is Share without the bytes.
func (r *Reader) SkipShared() error {
	if err := r.AllShared(); err != nil {
		return err
	}
	next := &shared{}
	length := int64(0)
	for at := range next.streams {
		size, packed, err := r.entry(false)
		if err != nil {
			return err
		}
		if next.size += size; next.size > r.size {
			return errors.New("a block of it is too large")
		}
		next.streams[at].left = size
		if packed == 0 {
			packed = size
		}
		length += packed
	}
	r.shared = next
	_, err := r.Discard(int(length))
	return Cut(err)
}

// Shared is the size of streams that are not used up.
func (r *Reader) Shared() int64 {
	if r.AllShared() == nil {
		return 0
	}
	return r.shared.size
}

// AllShared fails where a part of what is shared belongs to no block.
func (r *Reader) AllShared() error {
	if r.shared == nil {
		return nil
	}
	for at := range r.shared.streams {
		if r.shared.streams[at].left > 0 {
			return errShared
		}
	}
	return nil
}
