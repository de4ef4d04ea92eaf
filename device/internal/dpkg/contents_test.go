package dpkg_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// contents of a file, or why there are none.
func contents(open func(string) (io.ReadCloser, error), name string) string {
	file, err := open(name)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var invalid = fs.ErrInvalid.Error()

func TestInstalledFiles(t *testing.T) {
	h := newHost(t)
	h.Install(deb{Name: "app", Version: "1", Files: map[string]string{"opt/a": "one", "opt/pipe": "two", "opt/link": "three",
		"opt/moved": "four", "DEBIAN/triggers": "interest app\n"}})
	in := func(name string) string { return filepath.Join(h.Root, name) }
	for _, err := range []error{
		os.Remove(in("opt/pipe")), syscall.Mkfifo(in("opt/pipe"), 0o644),
		os.Rename(in("opt/link"), in("opt/real")), os.Symlink("real", in("opt/link")),
		os.Rename(in("opt/moved"), in("opt/moved.distrib")), os.WriteFile(in("opt/moved"), []byte("another's"), 0o644),
		os.WriteFile(in("var/lib/dpkg/diversions"), []byte("/opt/moved\n/opt/moved.distrib\nother\n/opt/a\n/opt/b\napp\n"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	open, err := h.System.InstalledFiles(h.read().Find("app", "all"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"opt/a": "one", "opt/moved": "four", "DEBIAN/triggers": "interest app\n",
		"opt": invalid, "opt/pipe": invalid, "opt/link": invalid,
		"opt/a/below": fs.ErrNotExist.Error(), "DEBIAN/list": fs.ErrNotExist.Error(), "DEBIAN/../status": fs.ErrNotExist.Error(),
	} {
		if got := contents(open, name); got != want {
			t.Errorf("%s: %q, wanted %q", name, got, want)
		}
	}
	if _, err := open("opt/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPackedFiles(t *testing.T) {
	h := newHost(t)
	file := h.File(deb{Name: "app", Version: "1", Files: map[string]string{"opt/a": "one", "opt/b": "two", "opt/c": "three",
		"DEBIAN/triggers": "interest app\n"}}.Build(t))
	packed := h.System.PackedFiles(t.Context(), file)
	defer packed.Close()
	none := fs.ErrNotExist.Error()
	for _, each := range [][2]string{{"DEBIAN/triggers", "interest app\n"}, {"opt/a", "one"}, {"opt/c", "three"},
		// What was passed over: nothing is unpacked twice.
		{"opt/b", none}, {"DEBIAN/triggers", none}} {
		if got := contents(packed.Open, each[0]); got != each[1] {
			t.Errorf("%s: %q, wanted %q", each[0], got, each[1])
		}
	}
	cut := h.System.PackedFiles(t.Context(), h.File([]byte("!<arch>\n")))
	defer cut.Close()
	if got := contents(cut.Open, "opt/a"); got != none {
		t.Errorf("of no package: %q", got)
	}
}

// What an update keeps of a delta has nothing compressed, and is read without dpkg-deb, like any other.
func TestPlainPackage(t *testing.T) {
	h := newHost(t)
	plain := deb{Name: "app", Version: "1", Files: map[string]string{"opt/a": "one", "opt/b": "two", "DEBIAN/triggers": "interest app\n"}}.Build(t)
	t.Setenv("PATH", "")
	for name, each := range map[string]struct {
		text []byte
		want string
	}{
		"plain":   {plain, "two"},
		"cut":     {plain[:bytes.Index(plain, []byte("./opt/b"))+100], fs.ErrNotExist.Error()},
		"another": {append([]byte("!<arch>\ndebian"), plain[14+60:]...), `reading .*: exec: "dpkg-deb": executable file not found in .PATH`},
	} {
		file := h.File(each.text)
		packed := h.System.PackedFiles(t.Context(), file)
		if got := contents(packed.Open, "DEBIAN/triggers"); name != "another" && got != "interest app\n" {
			t.Errorf("%s: %q", name, got)
		}
		if got := contents(packed.Open, "opt/b"); !regexp.MustCompile("^" + each.want + "$").MatchString(got) {
			t.Errorf("%s: %q", name, got)
		}
		packed.Close()
		found, err := h.System.Identify(t.Context(), file)
		if name == "another" {
			if err == nil || !strings.Contains(err.Error(), "there is no program dpkg-deb") {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || found.Name != "app" || found.Version != "1" || found.Architecture != "all" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

func TestAltered(t *testing.T) {
	h := newHost(t)
	sums := ""
	files := map[string]string{"opt/a": "one", "opt/b": "two", "etc/setting": "three", "usr/share/doc/app/changelog": "four"}
	for _, name := range []string{"etc/setting", "opt/a", "opt/b", "usr/share/doc/app/changelog"} {
		sums += fmt.Sprintf("%x  %s\n", md5.Sum([]byte(files[name])), name)
	}
	files["DEBIAN/md5sums"], files["DEBIAN/conffiles"] = sums, "/etc/setting\n"
	h.Install(deb{Name: "app", Version: "1", Files: files}, deb{Name: "other", Version: "1", Files: map[string]string{"opt/o": "five"}})
	expect := func(name, want string) {
		t.Helper()
		if got, err := h.System.Altered(t.Context(), h.read().Find(name, "all")); err != nil || got != want {
			t.Errorf("%s: %q, %v; wanted %q", name, got, err, want)
		}
	}
	for _, name := range []string{"etc/setting", "opt/o"} {
		if err := os.WriteFile(filepath.Join(h.Root, name), []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(h.Root, "usr/share/doc/app/changelog"))
	os.Remove(filepath.Join(h.Root, "var/lib/dpkg/info/other.md5sums")) // which dpkg makes, where a package has none
	expect("app", "")
	expect("other", "") // which says nothing of its files
	os.Remove(filepath.Join(h.Root, "opt/b"))
	expect("app", "/opt/b")
	stopped, stop := context.WithCancelCause(t.Context())
	reason := errors.New("stopped")
	stop(reason)
	if got, err := h.System.Altered(stopped, h.read().Find("app", "all")); err != reason {
		t.Errorf("%q, %v", got, err)
	}
}
