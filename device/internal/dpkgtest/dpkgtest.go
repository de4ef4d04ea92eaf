// Package dpkgtest makes systems of their own for the dpkg of this machine, and packages by dpkg-deb.
package dpkgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"imgbuild/device/internal/dpkg"
)

// Host is a folder that dpkg takes for the root of a system.
type Host struct {
	testing.TB
	dpkg.System
}

// New is a system without packages.
func New(t testing.TB) *Host {
	t.Helper()
	// Where tests do not run as root; and without waiting for the disk.
	t.Setenv("DPKG_FORCE", "not-root,script-chrootless,unsafe-io")
	root := t.TempDir()
	for _, folder := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Host{t, dpkg.System{Root: root}}
}

// Deb is a package under construction.
type Deb struct {
	Name, Version string
	// Fields besides, a line each.
	Fields string
	// Files by their paths; scripts by names that begin with DEBIAN/.
	Files map[string]string
}

// Build it: the same bytes each time.
func (d Deb) Build(t testing.TB) []byte {
	t.Helper()
	folder := t.TempDir()
	control := "Package: " + d.Name + "\nVersion: " + d.Version + "\nArchitecture: all\nMaintainer: Tests <tests@example.com>\n" +
		d.Fields + "Description: for tests\n"
	for name, text := range merged(d.Files, map[string]string{"DEBIAN/control": control}) {
		path := filepath.Join(folder, "tree", name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "DEBIAN/p") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Join(folder, "tree"), 0o755)
	file := filepath.Join(folder, "out.deb")
	program := exec.Command("dpkg-deb", "--root-owner-group", "--build", "-Znone", filepath.Join(folder, "tree"), file)
	program.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1")
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for _, each := range []map[string]string{a, b} {
		for key, value := range each {
			all[key] = value
		}
	}
	return all
}

// Run dpkg in it.
func (h *Host) Run(arguments ...string) string {
	h.Helper()
	program := exec.Command("dpkg", append([]string{"--root=" + h.Root}, arguments...)...)
	program.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	out, err := program.CombinedOutput()
	if err != nil {
		h.Fatalf("dpkg %v: %v: %s", arguments, err, out)
	}
	return string(out)
}

// Install packages as somebody would at a shell.
func (h *Host) Install(debs ...Deb) {
	h.Helper()
	arguments := []string{"--install"}
	for _, each := range debs {
		arguments = append(arguments, h.File(each.Build(h.TB)))
	}
	h.Run(arguments...)
}

// File with bytes.
func (h *Host) File(text []byte) string {
	h.Helper()
	path := filepath.Join(h.TempDir(), "some.deb")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		h.Fatal(err)
	}
	return path
}

// Versions of what is installed and configured: `name version`, by name.
func (h *Host) Versions() string {
	h.Helper()
	program := exec.Command("dpkg-query", "--admindir="+filepath.Join(h.Root, "var/lib/dpkg"), "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n")
	out, err := program.Output()
	if err != nil {
		return "" // no packages
	}
	var found []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if rest, ok := strings.CutPrefix(line, "installed "); ok {
			found = append(found, rest)
		} else if !strings.HasPrefix(line, "config-files") {
			found = append(found, line)
		}
	}
	return strings.Join(found, ", ")
}

// Read a file of the system; "" where there is none.
func (h *Host) Text(path string) string {
	text, _ := os.ReadFile(filepath.Join(h.Root, path))
	return string(text)
}

// Hold a package, as its owner would.
func (h *Host) Hold(name string) {
	h.Helper()
	program := exec.Command("dpkg", "--root="+h.Root, "--set-selections")
	program.Stdin = strings.NewReader(name + " hold\n")
	if out, err := program.CombinedOutput(); err != nil {
		h.Fatalf("%v: %s", err, out)
	}
}

// Busy takes the lock of dpkg's frontends, as apt does, until it is released.
func (h *Host) Busy() (release func()) {
	h.Helper()
	file, err := os.OpenFile(filepath.Join(h.Root, "var/lib/dpkg/lock-frontend"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		h.Fatal(err)
	}
	// The file's, not the process's: it keeps this process away, too.
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		h.Fatal(err)
	}
	return func() { file.Close() }
}

// Cut says how far a call of dpkg comes.
type Cut string

// Nothing is done; packages are unpacked and not configured; all is done, and nobody hears of it.
const (
	Before   Cut = "before"
	Unpacked Cut = "unpacked"
	After    Cut = "after"
)

// CutOff the dpkg that is found on PATH in one of its calls that change something. onCut is called while it still runs.
func (h *Host) CutOff(call int, how Cut, onCut func()) (mend func()) {
	h.Helper()
	real, err := exec.LookPath("dpkg")
	if err != nil {
		h.Fatal(err)
	}
	folder := h.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
cd %[1]s
case " $* " in *" --dry-run "*) exec %[2]s "$@" ;; esac
calls=$(cat calls 2>/dev/null || echo 0)
echo $((calls + 1)) >calls
[ ! -e mended ] && [ $((calls + 1)) = %[3]d ] || exec %[2]s "$@"
case %[4]s in
  unpacked) %[2]s $(echo "$@" | sed s/--install/--unpack/) ;;
  after) %[2]s "$@" ;;
esac
touch cut
while [ ! -e seen ]; do sleep 0.01; done
exit 137
`, folder, real, call, how)
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "bin/dpkg"), []byte(script), 0o755); err != nil {
		h.Fatal(err)
	}
	h.Setenv("PATH", filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
	done := make(chan struct{})
	h.Cleanup(func() { close(done) })
	touch := func(name string) { os.WriteFile(filepath.Join(folder, name), nil, 0o644) }
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := os.Stat(filepath.Join(folder, "cut")); err == nil {
				onCut()
				touch("seen")
				return
			}
		}
	}()
	return func() { touch("mended") }
}
