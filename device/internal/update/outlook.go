package update

import (
	"fmt"
	"time"

	"imgbuild/device/internal/channel"
)

// Outlook is what an update would do.
type Outlook struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	// Installed is the version that runs, or the highest that Docker has images of; "" where neither is known.
	Installed string `json:"installed,omitempty"`
	// Version on which the channel stands.
	Version  string    `json:"version"`
	Sequence int64     `json:"sequence"`
	Issued   time.Time `json:"issued"`
	Expires  time.Time `json:"expires"`
	// Action: update, or none.
	Action string `json:"action"`
	// Because says why there is nothing to do.
	Because string `json:"because,omitempty"`
	// Way is nil where there is nothing to do.
	Way *Way `json:"way,omitempty"`
	// Warning tells that the channel has to be signed anew soon.
	Warning string `json:"warning,omitempty"`
}

// Way to a release.
type Way struct {
	// Kind: delta, deltas, full, pull, or kept where it is still there from before.
	Kind string `json:"kind"`
	// Size in bytes.
	Size int64 `json:"size"`
	// Files of bundles, or references of images, in their order.
	Files []string `json:"files"`
}

const (
	actionUpdate = "update"
	actionNone   = "none"
)

// look decides what is to be done.
func (f *followed) look(complete, left bool, now time.Time) *Outlook {
	d := f.document
	o := &Outlook{Name: d.Name, Channel: d.Channel, Installed: f.installed, Version: d.Version, Sequence: d.Sequence,
		Issued: d.Issued, Expires: d.Expires, Action: actionNone, Warning: Expiry(d.Channel, d.Expires, now)}
	switch {
	case complete && f.installed == d.Version:
		o.Because = d.Version + " is in place"
	case left:
		o.Because = "this device went back from " + d.Version + "; `imgbuild-ota update --again` tries it once more"
	default:
		o.Action = actionUpdate
		o.Way = describe(f.way())
		if f.kept != nil {
			o.Way = &Way{Kind: "kept", Files: []string{}}
		}
	}
	return o
}

// Expiry warns of a channel that has to be signed anew soon; "" where there is time.
func Expiry(name string, expires, now time.Time) string {
	switch left := expires.Sub(now); {
	case left <= 0:
		return fmt.Sprintf("the channel %s expired on %s: no update is possible before it is signed anew", name,
			expires.Format(time.DateOnly))
	case left < 24*time.Hour:
		return fmt.Sprintf("the channel %s expires within a day: it has to be signed anew", name)
	case left < channel.Warning:
		return fmt.Sprintf("the channel %s expires in %s, on %s: it has to be signed anew", name,
			plural(int(left/(24*time.Hour)), "day"), expires.Format(time.DateOnly))
	}
	return ""
}

func describe(way *channel.Way) *Way {
	if way == nil {
		return nil
	}
	told := &Way{Kind: "pull", Size: way.Size, Files: []string{}}
	for _, each := range way.Pull {
		told.Files = append(told.Files, each.Reference)
	}
	for _, each := range way.Deltas {
		told.Files = append(told.Files, each.File)
	}
	switch {
	case len(way.Deltas) == 0:
	case way.Deltas[0].From == channel.None:
		told.Kind = "full"
	case len(way.Deltas) == 1:
		told.Kind = "delta"
	default:
		told.Kind = "deltas"
	}
	return told
}
