package dpkg

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"imgbuild/device/internal/failure"
)

// Archive is a .deb and what its control file says.
type Archive struct {
	// File is its path.
	File                        string
	Name, Version, Architecture string
	// Size of its files in bytes, as it says.
	Size int64

	control string
}

// Open reads the control file of a .deb.
func (s System) Open(ctx context.Context, file string) (*Archive, error) {
	control, err := s.ask(ctx, "reading "+file, "dpkg-deb", "--field", file)
	if err != nil {
		return nil, err
	}
	return described(file, control), nil
}

func described(file, control string) *Archive {
	each, _ := parseStanza(control)
	return &Archive{File: file, Name: each.Name, Version: each.Version, Architecture: each.Architecture, Size: each.Size,
		control: strings.Trim(control, "\n")}
}

var relationName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*`)

// Needs are the names of the packages that it depends on, the alternatives of each together.
func (a *Archive) Needs() [][]string { return needs(a.control) }

func needs(control string) [][]string { return relations(control, "Pre-Depends", "Depends") }

// relations of fields: names alone, the alternatives of each together.
func relations(control string, fields ...string) [][]string {
	var found [][]string
	for _, name := range fields {
		for _, group := range strings.Split(field(control, name), ",") {
			var alternatives []string
			for _, each := range strings.Split(group, "|") {
				if name := relationName.FindString(strings.TrimSpace(each)); name != "" {
					alternatives = append(alternatives, name)
				}
			}
			if alternatives != nil {
				found = append(found, alternatives)
			}
		}
	}
	return found
}

// Foresee fails with what dpkg would say of packages that are installed together, once those are gone that leave (by their
// qualified names): what they lack or cannot stand, and what installed ones would lack then. Nothing is changed. dpkg itself
// judges: by a database below folder in which they are unpacked, and are to be configured without anything being done; its
// own dry run of an installation looks at conflicts alone.
func (s System) Foresee(ctx context.Context, folder string, archives []*Archive, leaving []string) error {
	database, err := s.Read()
	if err != nil {
		return err
	}
	imagined, err := os.MkdirTemp(folder, ".dpkg-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(imagined)
	for _, name := range []string{"updates", "triggers"} {
		if err := os.Mkdir(filepath.Join(imagined, name), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink(s.admin("info"), filepath.Join(imagined, "info")); err != nil {
		return err
	}
	if text, err := os.ReadFile(s.admin("arch")); err == nil {
		if err := os.WriteFile(filepath.Join(imagined, "arch"), text, 0o644); err != nil {
			return err
		}
	}
	judge := func(status string, action, names []string) error {
		if len(names) == 0 {
			return nil
		}
		if err := os.WriteFile(filepath.Join(imagined, "status"), []byte(status), 0o644); err != nil {
			return err
		}
		arguments := slices.Concat([]string{"--admindir=" + imagined, "--dry-run", "--no-triggers"}, action, names)
		_, err := s.ask(ctx, "asking dpkg whether the packages can be installed", "dpkg", arguments...)
		return refused(err)
	}
	stays, goes := part(database, leaving)
	status, names := imagine(stays, goes, archives)
	if err := judge(status, []string{"--configure"}, names); err != nil {
		return err
	}
	var files []string
	for _, each := range archives {
		files = append(files, each.File)
	}
	return judge(stays.text(), []string{deconfigure, "--install"}, files)
}

// part the packages that stay from those that go.
func part(database Database, leaving []string) (stays, goes Database) {
	for _, each := range database {
		if slices.Contains(leaving, Qualified(each.Name, each.Architecture)) {
			goes = append(goes, each)
		} else {
			stays = append(stays, each)
		}
	}
	return stays, goes
}

// text of a database, as dpkg reads it.
func (d Database) text() string {
	var stanzas []string
	for _, each := range d {
		stanzas = append(stanzas, each.stanza)
	}
	return strings.Join(stanzas, "\n\n") + "\n"
}

func refused(err error) error {
	if told, ok := err.(*failure.Failure); ok {
		told.Fix = "nothing was changed; install what is missing, or write `packages = none` into the configuration"
	}
	return err
}

// imagine the database with the packages unpacked, and with them what depends on any of their names or on what goes, and what
// they may break.
func imagine(database, goes Database, archives []*Archive) (status string, names []string) {
	const unpacked = "Status: install ok unpacked\n"
	var stanzas []string
	for _, each := range archives {
		stanzas = append(stanzas, unpacked+each.control)
		names = append(names, Qualified(each.Name, each.Architecture))
	}
	touched := func(name string) bool {
		return slices.ContainsFunc(archives, func(each *Archive) bool { return each.Name == name }) ||
			slices.ContainsFunc(goes, func(each Installed) bool {
				provides := slices.Concat(relations(each.stanza, "Provides")...)
				return each.Name == name || slices.Contains(provides, name)
			})
	}
	for at := range database {
		each := &database[at]
		replaced := slices.ContainsFunc(archives, func(archive *Archive) bool {
			return each.Name == archive.Name &&
				(each.Architecture == archive.Architecture || each.Architecture == "all" || archive.Architecture == "all")
		})
		depends := slices.ContainsFunc(needs(each.stanza), func(group []string) bool { return slices.ContainsFunc(group, touched) })
		breaks := slices.ContainsFunc(archives, func(archive *Archive) bool {
			return slices.ContainsFunc(relations(archive.control, "Breaks"), func(group []string) bool { return slices.Contains(group, each.Name) })
		})
		switch {
		case replaced:
		case (depends || breaks) && each.Complete():
			stanzas = append(stanzas, unpacked+withoutTriggers(each.stanza))
			names = append(names, Qualified(each.Name, each.Architecture))
		case each.Complete():
			// What packages have asked each other to look at is nobody's business here.
			stanzas = append(stanzas, "Status: install ok installed\n"+withoutTriggers(each.stanza))
		default:
			stanzas = append(stanzas, each.stanza)
		}
	}
	return strings.Join(stanzas, "\n\n") + "\n", names
}

func withoutTriggers(stanza string) string {
	return without(stanza, "Status", "Triggers-Pending", "Triggers-Awaited")
}

// Qualified is how dpkg calls a package without doubt.
func Qualified(name, architecture string) string {
	if architecture == "" || architecture == "all" {
		return name
	}
	return name + ":" + architecture
}
