// Package state keeps what a device knows of its releases, in one folder for each project: /var/lib/imgbuild/NAME.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// Root is the folder of all projects.
const Root = "/var/lib/imgbuild"

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)

// Folder of one project.
type Folder struct {
	Name string
	Path string
}

// Open finds the folder of a project, and refuses names that would leave root.
func Open(root, name string) (*Folder, error) {
	if !namePattern.MatchString(name) {
		return nil, failure.Input(fmt.Sprintf("finding the state folder of %.80q", name),
			"the name has other characters than letters, digits and . _ + -",
			"make the bundle with another name: `imgbuild ota diff --name NAME`")
	}
	return &Folder{name, filepath.Join(root, name)}, nil
}

// Names of the projects that root has something of.
func Names(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && namePattern.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Sweep removes what a power cut left of files that were to take the place of others. Nobody else may be writing.
func (f *Folder) Sweep() error {
	for _, folder := range []string{f.Path, f.PackagesPath()} {
		left, err := filepath.Glob(filepath.Join(folder, ".*.partial"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := durable.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lock is the folder of the project's lock.
func (f *Folder) Lock() string { return filepath.Join(f.Path, "lock") }

// CurrentPath is the file that says what runs.
func (f *Folder) CurrentPath() string { return filepath.Join(f.Path, "current") }

// Current says which release runs. The packaged unit follows it.
type Current struct {
	Schema  int    `json:"schema"`
	Version string `json:"version"`
	// Images by their names without tags.
	Images map[string]CurrentImage `json:"images"`
}

// CurrentImage is one image of a release that runs.
type CurrentImage struct {
	Config   oci.Digest `json:"config"`
	Platform string     `json:"platform"`
}

// Current reads it; nil where no update has been put in place.
func (f *Folder) Current() (*Current, error) {
	var current *Current
	if err := f.read("current", &current); err != nil {
		return nil, err
	}
	if current != nil && (current.Schema != 1 || current.Images == nil) {
		return nil, f.odd("current")
	}
	return current, nil
}

// SetCurrent replaces it as a whole; nil gives the packaged release its place back.
func (f *Folder) SetCurrent(current *Current) error {
	if current == nil {
		return durable.Remove(f.CurrentPath())
	}
	return f.write("current", current)
}

// Image is one image of a release, in this device's engine.
type Image struct {
	// Name without a tag.
	Name string `json:"name"`
	// Reference is its name and tag, "" for none.
	Reference string     `json:"reference,omitempty"`
	Config    oci.Digest `json:"config"`
	Platform  string     `json:"platform"`
	// ID in the engine.
	ID string `json:"id"`
}

// Release is one that was put in place on this device.
type Release struct {
	Version string `json:"version"`
	// Current is what the file of that name said while it ran; nil for the packaged one.
	Current *Current `json:"current"`
	Images  []Image  `json:"images"`
	// Packages of the host as they are while it runs: those that an update has looked after.
	Packages []Package `json:"packages,omitempty"`
}

// Package of the host.
type Package struct {
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	// Version as dpkg writes it; "" where it is not installed.
	Version string `json:"version,omitempty"`
	// File below the folder Packages from which it is installed again; "" where none is kept.
	File string `json:"file,omitempty"`
}

// PackagesPath is where packages are kept to be installed, or to be put back.
func (f *Folder) PackagesPath() string { return filepath.Join(f.Path, "packages") }

// Releases is the list of those whose images are kept, the one that runs last.
type Releases struct {
	Schema   int       `json:"schema"`
	Releases []Release `json:"releases"`
	// Discarded are images of releases that did not prove themselves, as long as something still uses them.
	Discarded []Image `json:"discarded,omitempty"`
	// Unnamed are IDs of images that an interrupted update left, and that could not be removed yet.
	Unnamed []string `json:"unnamed,omitempty"`
}

// Releases reads the list; an empty one where nothing was put in place yet.
func (f *Folder) Releases() (*Releases, error) {
	list := &Releases{Schema: 1}
	if err := f.read("releases", list); err != nil {
		return nil, err
	}
	if list.Schema != 1 {
		return nil, f.odd("releases")
	}
	return list, nil
}

// SetReleases replaces the list.
func (f *Folder) SetReleases(list *Releases) error { return f.write("releases", list) }

// read parses a file of the folder into value, which stays what it is where there is none.
func (f *Folder) read(name string, value any) error {
	text, err := os.ReadFile(filepath.Join(f.Path, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(text, value) != nil {
		return f.odd(name)
	}
	return nil
}

func (f *Folder) write(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(f.Path, name), append(text, '\n'))
}

func (f *Folder) odd(name string) error {
	path := filepath.Join(f.Path, name)
	return failure.Operation("reading "+path, "it is not what imgbuild writes",
		"remove it, and apply the release that should run")
}
