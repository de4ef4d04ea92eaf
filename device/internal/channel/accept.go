package channel

import (
	"fmt"
	"time"

	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/version"
)

// Seen is what a device remembers of a channel: the document that it accepted last.
type Seen struct {
	Version  string     `json:"version"`
	Sequence int64      `json:"sequence"`
	Issued   time.Time  `json:"issued"`
	Expires  time.Time  `json:"expires"`
	Digest   oci.Digest `json:"digest"`
}

// Warning is how long before a document expires devices begin to tell.
const Warning = 14 * 24 * time.Hour

// Now is the clock, or the latest time that a document was issued where the clock is behind that: one without a battery
// does not make old documents good again.
func Now(clock time.Time, issued time.Time) time.Time {
	if issued.After(clock) {
		return issued
	}
	return clock
}

// Accept decides whether a document may be followed that is signed and meant for this channel. seen is nil for the first
// one; installed is "" where no version is known. back takes older documents and lower versions, never expired ones.
func (d *Document) Accept(seen *Seen, installed string, now time.Time, back bool) (*Seen, error) {
	refuse := func(because, fix string) error {
		return failure.Input(fmt.Sprintf("following the channel %s of %s", d.Channel, d.Name), because, fix)
	}
	accepted := &Seen{d.Version, d.Sequence, d.Issued, d.Expires, d.Digest}
	if seen != nil && !back {
		switch {
		case d.Sequence < seen.Sequence:
			return nil, refuse(fmt.Sprintf("its ota.json is number %d, and this device has seen number %d: it is an old one",
				d.Sequence, seen.Sequence), "ask again later, or take it all the same with `imgbuild-ota update --rollback`")
		case d.Sequence == seen.Sequence && d.Digest != seen.Digest:
			return nil, refuse(fmt.Sprintf("there are two different ota.json with the number %d", d.Sequence),
				"sign it anew with `imgbuild promote`")
		}
	}
	if now = Now(now, d.Issued); seen != nil {
		now = Now(now, seen.Issued)
	}
	if !d.Expires.After(now) {
		return nil, refuse(fmt.Sprintf("its ota.json expired on %s", d.Expires.Format(time.RFC3339)),
			"sign it anew with `imgbuild promote`, or see whether an old one is kept from this device")
	}
	if order, ok := version.Compare(d.Version, installed); ok && order < 0 && !back {
		return nil, refuse(fmt.Sprintf("it stands on %s, which is lower than %s, which is installed", d.Version, installed),
			"`imgbuild-ota update --rollback` goes back")
	}
	return accepted, nil
}
