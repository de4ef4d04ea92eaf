package dpkg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/dpkgtest"
)

type deb = dpkgtest.Deb

func (h host) read() dpkg.Database {
	h.Helper()
	database, err := h.System.Read()
	if err != nil {
		h.Fatal(err)
	}
	return database
}

type host struct{ *dpkgtest.Host }

func newHost(t *testing.T) host { return host{dpkgtest.New(t)} }

func TestRead(t *testing.T) {
	h := newHost(t)
	h.Install(deb{Name: "app", Version: "1:1.0-2", Fields: "Installed-Size: 12\n"}, deb{Name: "old", Version: "1"})
	h.Run("--remove", "old")
	database := h.read()
	found := database.Find("app", "amd64") // one for all architectures is one for this
	if found == nil || found.Version != "1:1.0-2" || found.Architecture != "all" || !found.Complete() || found.Size != 12<<10 || found.Want != "install" {
		t.Errorf("got %+v", found)
	}
	if database.Find("old", "all") != nil || database.Find("other", "all") != nil {
		t.Errorf("got %+v", database)
	}
	if _, err := (dpkg.System{Root: t.TempDir()}).Read(); err == nil || !strings.Contains(err.Error(), "has no dpkg") {
		t.Errorf("got %v", err)
	}
}

// dpkg's own dry run of an installation says nothing of what is missing.
func TestForesee(t *testing.T) {
	cases := map[string]struct {
		installed []deb
		wanted    []deb
		because   string
		leaving   []string
	}{
		"nothing is missing":     {[]deb{{Name: "lib", Version: "2"}}, []deb{{Name: "app", Version: "1", Fields: "Depends: lib (>= 2)\n"}}, "", nil},
		"together they have all": {nil, []deb{{Name: "app", Version: "1", Fields: "Depends: lib (= 2)\n"}, {Name: "lib", Version: "2"}}, "", nil},
		"a package is missing":   {nil, []deb{{Name: "app", Version: "1", Fields: "Depends: lib | other\n"}}, "Package lib is not installed", nil},
		"a version is too low": {[]deb{{Name: "lib", Version: "1"}}, []deb{{Name: "app", Version: "1", Fields: "Depends: lib (>= 2)\n"}},
			"Version of lib on system is 1", nil},
		"an installed one would lack something": {[]deb{{Name: "lib", Version: "1"}, {Name: "app", Version: "1", Fields: "Depends: lib (= 1)\n"}},
			[]deb{{Name: "lib", Version: "2"}}, "Version of lib on system is 2", nil},
		"a conflict":                 {[]deb{{Name: "other", Version: "1"}}, []deb{{Name: "app", Version: "1", Fields: "Conflicts: other\n"}}, "conflict", nil},
		"it breaks an installed one": {[]deb{{Name: "lib", Version: "1"}}, []deb{{Name: "app", Version: "1", Fields: "Breaks: lib (<< 2)\n"}}, "breaks lib", nil},
		"it breaks one whose new version comes along": {[]deb{{Name: "lib", Version: "1"}},
			[]deb{{Name: "app", Version: "1", Fields: "Breaks: lib (<< 2)\n"}, {Name: "lib", Version: "2"}}, "", nil},
		"what needs the new version goes": {[]deb{{Name: "lib", Version: "2"}, {Name: "app", Version: "1", Fields: "Depends: lib (>= 2)\n"}},
			[]deb{{Name: "lib", Version: "1"}}, "", []string{"app"}},
		"what breaks the old version goes": {[]deb{{Name: "lib", Version: "2"}, {Name: "app", Version: "1", Fields: "Breaks: lib (<< 2)\n"}},
			[]deb{{Name: "lib", Version: "1"}}, "", []string{"app"}},
		"what conflicts with the old version goes": {[]deb{{Name: "lib", Version: "2"}, {Name: "app", Version: "1", Fields: "Conflicts: lib (<< 2)\n"}},
			[]deb{{Name: "lib", Version: "1"}}, "", []string{"app"}},
		"an installed one needs what goes": {[]deb{{Name: "lib", Version: "1"}, {Name: "app", Version: "1", Fields: "Depends: lib\n"}},
			nil, "Package lib is not installed", []string{"lib"}},
		"an installed one needs what that provides": {
			[]deb{{Name: "lib", Version: "1", Fields: "Provides: api (= 2), abi\n"}, {Name: "app", Version: "1", Fields: "Depends: abi\n"}},
			[]deb{{Name: "other", Version: "1"}}, "Package abi is not installed", []string{"lib"}},
		"nothing needs what goes": {[]deb{{Name: "lib", Version: "1"}}, nil, "", []string{"lib"}},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			if each.installed != nil {
				h.Install(each.installed...)
			}
			// One that is broken already and has nothing to do with it.
			h.Run("--unpack", h.File(deb{Name: "unrelated", Version: "1", Fields: "Depends: nowhere\n"}.Build(t)))
			before := h.Text("var/lib/dpkg/status")
			var archives []*dpkg.Archive
			for _, wanted := range each.wanted {
				archive, err := h.Open(context.Background(), h.File(wanted.Build(t)))
				if err != nil {
					t.Fatal(err)
				}
				archives = append(archives, archive)
			}
			os.Unsetenv("DPKG_FORCE") // with it dpkg's dry run of an installation lets conflicts pass; it comes back after the test
			folder := t.TempDir()
			err := h.Foresee(context.Background(), folder, archives, each.leaving)
			if each.because == "" && err != nil || each.because != "" && (err == nil || !strings.Contains(err.Error(), each.because)) {
				t.Errorf("got %v, want %q", err, each.because)
			}
			if left, _ := os.ReadDir(folder); len(left) > 0 || h.Text("var/lib/dpkg/status") != before {
				t.Errorf("left %v, and the status %s", left, h.Text("var/lib/dpkg/status"))
			}
		})
	}
}

// A package made of what is installed puts all of it back: over another version, and after a purge.
func TestRebuild(t *testing.T) {
	h := newHost(t)
	h.Install(deb{Name: "app", Version: "1", Fields: "Multi-Arch: foreign\n", Files: map[string]string{
		"usr/bin/app": "one", "etc/app.conf": "workers: 4\n", "etc/same.conf": "one\n", "usr/share/app/" + strings.Repeat("long/", 40) + "name": "deep",
		"DEBIAN/conffiles": "/etc/app.conf\n/etc/same.conf\n", "DEBIAN/postinst": "#!/bin/sh\nset -e\n",
		"usr/share/app/gone": "1",
	}})
	if err := os.Chmod(filepath.Join(h.Root, "usr/bin/app"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(h.Root, "usr/share/app/gone"))
	os.WriteFile(filepath.Join(h.Root, "etc/app.conf"), []byte("workers: 8\n"), 0o644)
	file := filepath.Join(t.TempDir(), "app.deb")
	if err := h.Rebuild(file, h.read().Find("app", "all")); err != nil {
		t.Fatal(err)
	}
	archive, err := h.Open(context.Background(), file)
	if err != nil || archive.Version != "1" {
		t.Fatalf("%+v, %v", archive, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}

	h.Install(deb{Name: "app", Version: "2", Files: map[string]string{"usr/bin/app": "two", "usr/bin/new": "two",
		"etc/app.conf": "workers: 4\n", "etc/same.conf": "two\n", "DEBIAN/conffiles": "/etc/app.conf\n/etc/same.conf\n"}})
	for _, purge := range []bool{false, true} {
		if purge {
			h.Run("--purge", "app")
		}
		if err := h.System.Install(context.Background(), []string{file}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(h.Root, "usr/bin/app"))
		if err != nil || info.Mode() != 0o755|os.ModeSetuid || h.Text("usr/bin/app") != "one" {
			t.Errorf("%v, %v, %q", err, info.Mode(), h.Text("usr/bin/app"))
		}
		if h.Text("usr/bin/new") != "" || h.Text("usr/share/app/"+strings.Repeat("long/", 40)+"name") != "deep" {
			t.Error("the files of version 1 are not back")
		}
		changed := "workers: 8\n"
		if purge {
			changed = ""
		}
		if h.Text("etc/app.conf") != changed || h.Text("etc/same.conf") != "one\n" || h.Versions() != "app 1" {
			t.Errorf("%q, %q, %s", h.Text("etc/app.conf"), h.Text("etc/same.conf"), h.Versions())
		}
	}
	if !strings.Contains(h.Run("--status", "app"), "Multi-Arch: foreign") {
		t.Error("a field has got lost")
	}
	if out := h.Run("--verify", "app"); strings.Contains(out, "usr/bin") {
		t.Errorf("dpkg --verify says %s", out)
	}
}

func TestNeeds(t *testing.T) {
	h := newHost(t)
	archive, err := h.Open(context.Background(), h.File(deb{Name: "app", Version: "1",
		Fields: "Depends: a (>= 1) | b:any, c\nPre-Depends: d\n"}.Build(t)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, group := range archive.Needs() {
		got = append(got, strings.Join(group, "|"))
	}
	if want := []string{"d", "a|b", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLock(t *testing.T) {
	h := newHost(t)
	release, err := h.Lock(context.Background(), time.Second, func() { t.Error("it waited") })
	if err != nil {
		t.Fatal(err)
	}
	release()
	defer h.Busy()()
	waited := false
	if _, err := h.Lock(context.Background(), time.Millisecond, func() { waited = true }); !errors.Is(err, dpkg.ErrBusy) || !waited {
		t.Errorf("got %v, and waited: %v", err, waited)
	}
}

// A script leaves a process that holds what dpkg prints to.
func TestProcessInTheBackground(t *testing.T) {
	h := newHost(t)
	file := h.File(deb{Name: "app", Version: "1", Files: map[string]string{"DEBIAN/postinst": "#!/bin/sh\nsleep 4 &\n"}}.Build(t))
	if err := h.System.Install(context.Background(), []string{file}); err != nil {
		t.Error(err)
	}
	if got := h.Versions(); got != "app 1" {
		t.Errorf("installed is %q", got)
	}
}

// The units of the package wait for a dpkg that runs when they are stopped.
func TestUnitsWaitForDpkg(t *testing.T) {
	units, _ := filepath.Glob("../../package/*.service")
	if len(units) == 0 {
		t.Fatal("no units")
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		var seconds string
		for _, line := range strings.Split(string(text), "\n") {
			if value, ok := strings.CutPrefix(line, "TimeoutStopSec="); ok {
				seconds = strings.Replace(value, "min", "m", 1)
			}
		}
		if stop, err := time.ParseDuration(seconds); err != nil || stop <= dpkg.Patience {
			t.Errorf("%s: TimeoutStopSec is %q, and dpkg may take %s", unit, seconds, dpkg.Patience)
		}
		if !strings.Contains(string(text), "\nKillMode=mixed\n") {
			t.Errorf("%s: dpkg gets the signal, too", unit)
		}
	}
}
