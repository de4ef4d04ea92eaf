package layerdelta

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta/block"
)

// Modes of headers: what is written into them, whatever the parts make.
const (
	asMade = iota
	withChecksum
	withTime
)

// Fields of a header (POSIX, pax, "ustar Interchange Format").
const (
	tarBlock     = 512
	sizeField    = 124
	timeField    = 136
	timeDigits   = 11
	sumField     = 148
	sumEnd       = 156
	typeField    = 156
	timeLimit    = 1 << 33
	noNextHeader = -1
)

// restorer takes a tar, follows it from header to header, and writes into each what a list says.
type restorer struct {
	w    io.Writer
	runs block.Stream
	// mode of the headers that come next, left of which are to come, and their time.
	mode byte
	left int64
	time int64
	// header as far as it came.
	header []byte
	// passing is how many bytes go out as they come, before the next header; noNextHeader for all the rest.
	passing int64
}

func newRestorer(w io.Writer, runs block.Stream) (*restorer, error) {
	r := &restorer{w: w, runs: runs, header: make([]byte, 0, tarBlock)}
	return r, r.next()
}

// next run of the list.
func (r *restorer) next() (err error) {
	if r.runs.Ended() {
		r.passing = noNextHeader
		return nil
	}
	if r.left, err = r.runs.Uvarint(); err != nil {
		return err
	}
	if r.mode, err = r.runs.Byte(); err != nil {
		return err
	}
	if r.left == 0 || r.mode > withTime {
		return errors.New("its list of headers has a run that there is not")
	}
	if r.mode != withTime {
		return nil
	}
	later, err := r.runs.Svarint()
	if r.time += later; err == nil && (r.time < 0 || r.time >= timeLimit) {
		return fmt.Errorf("its list of headers has the time %d", r.time)
	}
	return err
}

func (r *restorer) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if r.passing != 0 {
			part := p
			if r.passing > 0 {
				part = p[:min(int64(len(p)), r.passing)]
				r.passing -= int64(len(part))
			}
			if _, err := r.w.Write(part); err != nil {
				return 0, err
			}
			p = p[len(part):]
			continue
		}
		part := p[:min(len(p), tarBlock-len(r.header))]
		r.header = append(r.header, part...)
		p = p[len(part):]
		if len(r.header) == tarBlock {
			if err := r.restore(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (r *restorer) restore() error {
	header := r.header
	r.header = r.header[:0]
	if r.passing = toNextHeader(header); r.passing != noNextHeader {
		if r.mode == withTime {
			copy(header[timeField:], fmt.Sprintf("%0*o", timeDigits, r.time))
		}
		if r.mode != asMade {
			copy(header[sumField:], fmt.Sprintf("%06o\x00 ", checksum(header)))
		}
		if r.left--; r.left == 0 {
			if err := r.next(); err != nil {
				return err
			}
		}
	}
	_, err := r.w.Write(header)
	return err
}

// end fails where headers of the list were not in the tar.
func (r *restorer) end() error {
	if r.left > 0 {
		return errors.New("its list of headers has more than the tar")
	}
	_, err := io.Copy(r.w, bytes.NewReader(r.header))
	return err
}

// toNextHeader is how many bytes are between; noNextHeader where there is none.
func toNextHeader(header []byte) int64 {
	if header[0] == 0 {
		return noNextHeader
	}
	if kind := header[typeField]; kind >= '1' && kind <= '6' {
		return 0
	}
	size := int64(0)
	if field := header[sizeField:timeField]; field[0] == 0x80 {
		for _, digit := range field[1:] {
			if size = size<<8 | int64(digit); size > block.MaxNumber {
				return noNextHeader
			}
		}
	} else {
		for _, digit := range field {
			if digit < '0' || digit > '7' {
				break
			}
			size = size<<3 | int64(digit-'0')
		}
	}
	if size > block.MaxNumber-tarBlock {
		return noNextHeader
	}
	return (size + tarBlock - 1) / tarBlock * tarBlock
}

// checksum of a header: the sum of its bytes, its own as spaces.
func checksum(header []byte) int64 {
	sum := int64(' ' * (sumEnd - sumField))
	for at, each := range header {
		if at < sumField || at >= sumEnd {
			sum += int64(each)
		}
	}
	return sum
}
