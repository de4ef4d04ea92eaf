package dpkg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"imgbuild/device/internal/durable"
)

// members of a package's control archive that dpkg keeps beside its database, the list of files aside.
var controlMembers = []string{"preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "shlibs", "symbols", "md5sums"}

// Rebuild writes a package that puts back what is installed now: scripts and fields by dpkg's database, files as they lie
// there, also those that were altered; what is missing stays out. So do settings that somebody has changed: they stay on the
// disk as they are, and dpkg goes on to know that they are the owner's. It is not the package byte for byte that was installed.
func (s System) Rebuild(file string, installed *Installed) (err error) {
	folder := filepath.Dir(file)
	out, err := os.CreateTemp(folder, "."+filepath.Base(file)+".*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // gone by then, unless something failed
	defer func() { err = errors.Join(err, out.Close()) }()
	listed, err := s.listed(installed)
	if err != nil {
		return err
	}
	if _, err := out.WriteString("!<arch>\n"); err != nil {
		return err
	}
	members := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"debian-binary", func(w io.Writer) error { _, err := io.WriteString(w, "2.0\n"); return err }},
		{"control.tar.gz", zipped(func(w *tar.Writer) error { return s.writeControl(w, installed, listed) })},
		{"data.tar.gz", zipped(func(w *tar.Writer) error { return s.writeData(w, listed) })},
	}
	for _, each := range members {
		if err := addMember(out, each.name, each.write); err != nil {
			return fmt.Errorf("keeping the package %s: %w", installed.Name, err)
		}
	}
	// It stays for its owner alone, as it was made: files that others may not read are in it.
	if err := out.Sync(); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), file); err != nil {
		return err
	}
	return durable.SyncFolder(folder)
}

// sizeLimit of a member in bytes: ten digits (deb(5)).
const sizeLimit = 9_999_999_999

// addMember to an ar archive: its size is known when it has been written.
func addMember(out *os.File, name string, write func(io.Writer) error) error {
	start, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	header := func(size int64) []byte {
		return fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", size)
	}
	if _, err := out.Write(header(0)); err != nil {
		return err
	}
	if err := write(out); err != nil {
		return err
	}
	end, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	size := end - start - int64(len(header(0)))
	if size > sizeLimit {
		return fmt.Errorf("its files have %d bytes, and a package holds %d", size, int64(sizeLimit))
	}
	if size%2 == 1 {
		if _, err := out.Write([]byte("\n")); err != nil {
			return err
		}
	}
	_, err = out.WriteAt(header(size), start)
	return err
}

func zipped(write func(*tar.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		packer, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(packer)
		return errors.Join(write(archive), archive.Close(), packer.Close())
	}
}

// listedFile of a package: its name there, and where it lies.
type listedFile struct {
	name, place string
	info        fs.FileInfo
}

// listed files of a package that are there.
func (s System) listed(installed *Installed) ([]listedFile, error) {
	text, err := os.ReadFile(s.info(installed, "list"))
	if err != nil {
		return nil, err
	}
	diverted, err := s.diversions(installed.Name)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, each := range conffiles(installed) {
		own[each.name] = each.obsolete || !s.isAsInstalled(each)
	}
	names := strings.Split(strings.TrimSpace(string(text)), "\n")
	parents := map[string]bool{}
	for _, name := range names {
		parents[path.Dir(name)] = true
	}
	var found []listedFile
	for _, name := range names {
		place := s.path(name)
		if to, ok := diverted[name]; ok {
			place = s.path(to)
		}
		look := os.Lstat
		if parents[name] {
			look = os.Stat // /lib, where that is a link to /usr/lib
		}
		info, err := look(place)
		switch {
		case errors.Is(err, os.ErrNotExist) || own[name]:
		case err != nil:
			return nil, err
		case info.Mode()&fs.ModeSocket == 0:
			found = append(found, listedFile{name, place, info})
		}
	}
	return found, nil
}

// diversions are where files of a package lie that others have been given the place of.
func (s System) diversions(of string) (map[string]string, error) {
	text, err := os.ReadFile(s.admin("diversions"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	diverted := map[string]string{}
	lines := strings.Split(string(text), "\n")
	for at := 0; at+2 < len(lines); at += 3 {
		if lines[at+2] != of {
			diverted[lines[at]] = lines[at+1]
		}
	}
	return diverted, nil
}

// conffile of a package, with the md5 of what the package brought.
type conffile struct {
	name, md5 string
	obsolete  bool
}

func conffiles(installed *Installed) []conffile {
	var found []conffile
	for _, line := range strings.Split(field(installed.stanza, "Conffiles"), "\n") {
		if words := strings.Fields(line); len(words) >= 2 {
			found = append(found, conffile{words[0], words[1], len(words) > 2})
		}
	}
	return found
}

func (s System) isAsInstalled(each conffile) bool {
	text, err := os.ReadFile(s.path(each.name))
	return err == nil && fmt.Sprintf("%x", md5.Sum(text)) == each.md5
}

// info is where dpkg keeps a control member: with the architecture in its name where there may be several of the package.
func (s System) info(installed *Installed, member string) string {
	file := s.admin("info/" + installed.Name + ":" + installed.Architecture + "." + member)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	return s.admin("info/" + installed.Name + "." + member)
}

func (s System) writeControl(w *tar.Writer, installed *Installed, listed []listedFile) error {
	add := func(name string, mode int64, text []byte) error {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Mode: mode, Size: int64(len(text)), Format: tar.FormatGNU,
			ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	}
	// What dpkg adds to the fields of the package.
	control := without(installed.stanza, "Status", "Conffiles", "Config-Version", "Triggers-Pending", "Triggers-Awaited")
	if err := add("control", 0o644, []byte(control+"\n")); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, each := range listed {
		there[each.name] = true
	}
	var settings bytes.Buffer
	for _, each := range conffiles(installed) {
		if there[each.name] {
			fmt.Fprintln(&settings, each.name)
		}
	}
	if settings.Len() > 0 {
		if err := add("conffiles", 0o644, settings.Bytes()); err != nil {
			return err
		}
	}
	for _, member := range controlMembers {
		file := s.info(installed, member)
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if err := add(member, int64(info.Mode().Perm()), text); err != nil {
			return err
		}
	}
	return nil
}

func (s System) writeData(w *tar.Writer, listed []listedFile) error {
	for _, each := range listed {
		link := ""
		if each.info.Mode()&fs.ModeSymlink != 0 {
			var err error
			if link, err = os.Readlink(each.place); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(each.info, link)
		if err != nil {
			return err
		}
		// dpkg reads GNU's format; owners by their numbers, whatever they are called.
		header.Format, header.Uname, header.Gname = tar.FormatGNU, "", ""
		header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
		header.ModTime = header.ModTime.Truncate(time.Second)
		header.Name = "." + each.name
		if each.info.IsDir() {
			header.Name = "." + strings.TrimSuffix(strings.TrimSuffix(each.name, "."), "/") + "/"
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if header.Typeflag == tar.TypeReg {
			if err := copyFile(w, each.place); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(w io.Writer, place string) error {
	file, err := os.OpenFile(place, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}
