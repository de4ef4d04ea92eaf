package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/oci"
)

// Step is how far a change of the release has come. Each is written before what it names begins, so that whoever finds it
// does that again.
type Step string

// Steps in their order. Up to Loading the old release runs and nothing has to be undone but images without a name; from
// Installing on everything is on the device that the new release needs, and the change goes on without the bundle.
const (
	// Loading: images are sent to the engine.
	Loading Step = "loading"
	// Installing: images are proven and on the disk; dpkg brings the host's packages to what the release has.
	Installing Step = "installing"
	// Moving: all are proven and on the disk; tags and current move.
	Moving Step = "moving"
	// Checking: current has moved; the service is restarted and has to prove that it works.
	Checking Step = "checking"
	// Returning: it did not, or dpkg failed; packages, tags and current go back.
	Returning Step = "returning"
)

// Journal of the change that is under way.
type Journal struct {
	Schema int  `json:"schema"`
	Step   Step `json:"step"`
	// Bundle is the digest of its index; "" where an old release is put back by hand.
	Bundle oci.Digest `json:"bundle,omitempty"`
	// To is the release that is put in place. Before Moving its images may lack an ID.
	To Release `json:"to"`
	// Loaded are the IDs of images that were not there before.
	Loaded []string `json:"loaded,omitempty"`
	// Passing are images of releases between the two, which nothing needs once the new one is there.
	Passing []Image `json:"passing,omitempty"`
	// From is the release that runs before.
	From Release `json:"from"`
	// Tags are those that move: what they named before.
	Tags []Tag `json:"tags,omitempty"`
	// Because says why a release goes back.
	Because string `json:"because,omitempty"`
}

// Tag that moves. ID is "" where nothing had that name.
type Tag struct {
	Reference string `json:"reference"`
	ID        string `json:"id"`
}

// Journal reads it; nil where nothing is under way.
func (f *Folder) Journal() (*Journal, error) {
	var journal *Journal
	if err := f.read("journal", &journal); err != nil {
		return nil, err
	}
	if journal != nil && journal.Schema != 1 {
		return nil, f.odd("journal")
	}
	return journal, nil
}

// SetJournal replaces it; nil ends the change.
func (f *Folder) SetJournal(journal *Journal) error {
	if journal == nil {
		return durable.Remove(filepath.Join(f.Path, "journal"))
	}
	return f.write("journal", journal)
}

const unsyncedName = "unsynced"

// Unsynced tells whether the engine was being given what was not on its disk yet, and whether the machine has gone down
// since.
func (f *Folder) Unsynced() (noted, lost bool, err error) {
	text, err := os.ReadFile(filepath.Join(f.Path, unsyncedName))
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	return true, strings.TrimSpace(string(text)) != bootID(), err
}

// BeginUnsynced notes that the engine is being given what is not on its disk yet. An older note stays.
func (f *Folder) BeginUnsynced() (lost bool, err error) {
	noted, lost, err := f.Unsynced()
	if noted || err != nil {
		return lost, err
	}
	return false, durable.Replace(filepath.Join(f.Path, unsyncedName), []byte(bootID()+"\n"))
}

// EndUnsynced notes that all of it has been synced, and read where there was doubt.
func (f *Folder) EndUnsynced() error { return durable.Remove(filepath.Join(f.Path, unsyncedName)) }

// bootID is another one after each start of the machine (random(4)).
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
