package state

import (
	"slices"

	"imgbuild/device/internal/channel"
)

// Channels is what the device remembers of those that a project has followed.
type Channels struct {
	Schema int `json:"schema"`
	// Channels by name.
	Channels map[string]channel.Seen `json:"channels"`
	// Left are versions from which the device went back, by itself or because somebody said so: no channel leads to them by
	// itself again. The latest is last.
	Left []string `json:"left,omitempty"`
}

// leftLimit is how many of them are remembered.
const leftLimit = 16

// Channels reads it; nil where the project follows none.
func (f *Folder) Channels() (*Channels, error) {
	var known *Channels
	if err := f.read("channels", &known); err != nil {
		return nil, err
	}
	if known != nil && known.Schema != 1 {
		return nil, f.odd("channels")
	}
	return known, nil
}

// See remembers the document that was accepted last.
func (f *Folder) See(name string, seen channel.Seen) error {
	known, err := f.Channels()
	if err != nil {
		return err
	}
	if known == nil {
		known = &Channels{Schema: 1}
	}
	if known.Channels == nil {
		known.Channels = map[string]channel.Seen{}
	}
	if known.Channels[name] == seen {
		return nil
	}
	known.Channels[name] = seen
	return f.write("channels", known)
}

// Leave notes, where the project follows a channel, that the device goes back from one version, and to another by hand: ""
// for none.
func (f *Folder) Leave(version, back string) error {
	known, err := f.Channels()
	if known == nil || err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(known.Left), func(each string) bool { return each == version || each == back })
	if version != "" {
		left = append(left, version)
	}
	left = left[max(0, len(left)-leftLimit):]
	if slices.Equal(left, known.Left) {
		return nil
	}
	known.Left = left
	return f.write("channels", known)
}
