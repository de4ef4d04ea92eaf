package block

import "errors"

// Differences of one block, which are added to its predicted bytes.
type Differences struct {
	gap, run, difference *Stream
	// right and wrong are how many of the bytes that come next are as predicted, or are not; one of them is 0.
	right, wrong int64
	// inRun says that a run has begun, or comes next.
	inRun bool
	// done says that all the rest is right.
	done bool
}

// NewDifferences begins with the first predicted byte.
func NewDifferences(gap, run, difference *Stream) Differences {
	return Differences{gap: gap, run: run, difference: difference, inRun: true}
}

// Add goes on with the next predicted bytes.
func (d *Differences) Add(bytes []byte) error {
	for len(bytes) > 0 {
		if d.done {
			return nil
		}
		if d.right == 0 && d.wrong == 0 {
			if err := d.next(); err != nil {
				return err
			}
			continue
		}
		if d.right > 0 {
			skipped := min(d.right, int64(len(bytes)))
			d.right -= skipped
			bytes = bytes[skipped:]
			continue
		}
		changed := bytes[:min(d.wrong, int64(len(bytes)))]
		added, err := d.difference.Take(len(changed))
		if err != nil {
			return err
		}
		for at, each := range added {
			changed[at] += each
		}
		d.wrong -= int64(len(changed))
		bytes = bytes[len(changed):]
	}
	return nil
}

func (d *Differences) next() (err error) {
	d.inRun = !d.inRun
	if d.inRun {
		if d.wrong, err = d.run.Uvarint(); err == nil && d.wrong == 0 {
			err = errors.New("it has a run of no differences")
		}
		return err
	}
	if d.gap.Ended() {
		d.done = true
		return nil
	}
	d.right, err = d.gap.Uvarint()
	return err
}

// End of the block: every difference must have found its byte.
func (d *Differences) End() error {
	if d.wrong > 0 {
		return errors.New("it has differences beyond the end of a block")
	}
	return nil
}
