// Package dpkg is the packages of the host: what dpkg's database says of them, what its program does with them, and what a
// package is made of again from its installed files.
package dpkg

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"imgbuild/device/internal/failure"
)

// System whose packages are meant.
type System struct {
	// Root of its file system; "" for that of this process.
	Root string
}

// Installed is what the database says of one package (dpkg-query(1), "Status").
type Installed struct {
	Name, Architecture, Version string
	// Want is what the owner has asked for: install, hold, deinstall, purge.
	Want string
	// State: installed, unpacked, half-configured, config-files and the like.
	State string
	// Size of its files in bytes, as the package says it.
	Size int64

	stanza string
}

// Complete tells whether all of it is there and configured; what other packages have asked it to look at may be left.
func (i *Installed) Complete() bool {
	return slices.Contains([]string{"installed", "triggers-pending", "triggers-awaited"}, i.State)
}

// There tells whether there are files of it other than those that a removal leaves.
func (i *Installed) There() bool {
	return !slices.Contains([]string{"not-installed", "config-files"}, i.State)
}

// Database is all that dpkg knows of.
type Database []Installed

// Find a package; nil where there is none. One for all architectures stands for one of this machine's, and the other way
// round.
func (d Database) Find(name, architecture string) *Installed {
	var found *Installed
	for at := range d {
		each := &d[at]
		switch {
		case each.Name != name || !each.There():
		case each.Architecture == architecture:
			return each
		case each.Architecture == "all" || architecture == "all":
			found = each
		}
	}
	return found
}

// Takes tells whether packages of an architecture are for this machine: dpkg's own package says which it has.
func (d Database) Takes(architecture string) bool {
	own := d.Find("dpkg", architecture)
	return architecture == "all" || own != nil && own.Architecture == architecture
}

func (s System) path(of string) string { return filepath.Join("/", s.Root, of) }

func (s System) admin(name string) string { return s.path(filepath.Join("var/lib/dpkg", name)) }

// Read the database. A device without one has no dpkg, and the error says so.
func (s System) Read() (Database, error) {
	text, err := os.ReadFile(s.admin("status"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure.Operation("looking at the packages of this device", "it has no dpkg: there is no "+s.admin("status"),
			"write `packages = none` into the configuration, so that updates leave packages alone")
	}
	if err != nil {
		return nil, err
	}
	var database Database
	for _, stanza := range strings.Split(string(text), "\n\n") {
		if each, ok := parseStanza(stanza); ok {
			database = append(database, each)
		}
	}
	return database, nil
}

func parseStanza(stanza string) (Installed, bool) {
	each := Installed{stanza: strings.Trim(stanza, "\n")}
	each.Name, each.Version = field(stanza, "Package"), field(stanza, "Version")
	each.Architecture = field(stanza, "Architecture")
	words := strings.Fields(field(stanza, "Status"))
	if each.Name == "" || len(words) != 3 {
		return each, false
	}
	each.Want, each.State = words[0], words[2]
	kibi, _ := strconv.ParseInt(field(stanza, "Installed-Size"), 10, 40)
	each.Size = kibi << 10
	return each, true
}

// field of a stanza (deb822(5)): its lines, the first without its name.
func field(stanza, name string) string {
	var lines []string
	for _, line := range strings.Split(stanza, "\n") {
		switch key, value, ok := strings.Cut(line, ":"); {
		case lines != nil && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")):
			lines = append(lines, line)
		case lines != nil:
			return strings.Join(lines, "\n")
		case ok && strings.EqualFold(key, name):
			lines = []string{strings.TrimSpace(value)}
		}
	}
	return strings.Join(lines, "\n")
}

// without fields.
func without(stanza string, names ...string) string {
	var kept []string
	skipping := false
	for _, line := range strings.Split(stanza, "\n") {
		if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			key, _, _ := strings.Cut(line, ":")
			skipping = slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(key, name) })
		}
		if !skipping {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
