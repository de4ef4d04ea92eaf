package update

import (
	"errors"
	"time"
)

// flushPause is between the end of one flush and the next.
const flushPause = 100 * time.Millisecond

// whileFlushing does some work, and flushes again and again meanwhile, from when ready is closed on. An error of a flush counts
// as one of the work: nobody else is told of what the disk refused.
func whileFlushing(ready <-chan struct{}, flush, work func() error) error {
	done := make(chan struct{})
	flushed := make(chan error, 1)
	go func() {
		select {
		case <-done:
			flushed <- nil
			return
		case <-ready:
		}
		for {
			select {
			case <-done:
				flushed <- nil
				return
			case <-time.After(flushPause):
			}
			if err := flush(); err != nil {
				flushed <- err
				return
			}
		}
	}()
	err := work()
	close(done)
	return errors.Join(err, <-flushed)
}
