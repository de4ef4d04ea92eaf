package tardiff

import (
	"errors"
	"io"
)

// scanner follows the operations without any file.
type scanner struct {
	limit    int64
	use      func(path string, end int64) error
	path     string
	position int64
	end      int64
}

// leave reports the file that is open.
func (s *scanner) leave() error {
	if s.path == "" {
		return nil
	}
	return s.use(s.path, s.end)
}

func (s *scanner) put(size int64) error {
	if size > s.limit {
		return errors.New("it becomes larger than the bundle says")
	}
	s.limit -= size
	return nil
}

func (s *scanner) read(size int64) error {
	if size == 0 {
		return nil
	}
	if s.path == "" {
		return errNoSource
	}
	s.position += size
	s.end = max(s.end, s.position)
	if s.end > numberLimit {
		return errTooLarge
	}
	return s.put(size)
}

func (s *scanner) data(r io.Reader, size int64) error {
	if err := s.put(size); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *scanner) add(r io.Reader, size int64) error {
	if err := s.read(size); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *scanner) open(path string) error {
	if err := s.leave(); err != nil {
		return err
	}
	s.path, s.position, s.end = path, 0, 0
	return nil
}

func (s *scanner) copy(size int64) error { return s.read(size) }

func (s *scanner) seek(position int64) error {
	if s.path == "" {
		return errNoSource
	}
	s.position = position
	return nil
}
