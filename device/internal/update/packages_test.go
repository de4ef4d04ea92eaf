package update_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/dpkgtest"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

type deb = dpkgtest.Deb

// packaged is a device with packages, too: app 1, which the release has as version 2.
type packaged struct {
	*device
	host     *dpkgtest.Host
	policies map[string]update.Policy
}

func newPackaged(t *testing.T, installed ...deb) *packaged {
	p := &packaged{device: newDevice(t, engine.Classic), host: dpkgtest.New(t), policies: map[string]update.Policy{}}
	if installed == nil {
		installed = []deb{app("1")}
	}
	p.host.Install(installed...)
	return p
}

// app is a package whose file names its version.
func app(version string) deb {
	return deb{Name: "app", Version: version, Files: map[string]string{"usr/share/app/version": version}}
}

func (p *packaged) updater() *update.Updater {
	u := p.device.updater()
	u.Host = p.host.System
	u.Packages = func(project string) update.Policy { return p.policies[project] }
	if p.policies["ccai"] == "" {
		u.Packages = nil
	}
	return u
}

// listed only: the device is to have it.
func listed(each deb) deb {
	each.Version = "=" + each.Version
	return each
}

// carries the packages in the bundle to release 2.
func (p *packaged) carries(debs ...deb) {
	p.Helper()
	p.bytes = p.bundle("1.0.0", "2.0.0", p.one, p.two, debs...)
}

func (p *packaged) bundle(from, to string, one, two *sample.Image, debs ...deb) []byte {
	p.Helper()
	packages := []sample.Package{}
	for _, each := range debs {
		version, isListed := strings.CutPrefix(each.Version, "=")
		each.Version = version
		packages = append(packages, sample.Package{Name: each.Name, Version: version, Architecture: "all", Bytes: each.Build(p.T), Listed: isListed})
	}
	return sample.BundleWithPackages("ccai", from, to, nil, packages, sample.Target{From: one, To: two, Reference: "app:" + to[:1]})
}

func (p *packaged) apply() (*update.Result, error) {
	p.Helper()
	return p.updater().Apply(context.Background(), p.open(p.bytes))
}

// expect what is installed, and which files of packages are kept.
func (p *packaged) expect(versions string, kept int) {
	p.Helper()
	if got := p.host.Versions(); got != versions {
		p.Errorf("installed is %q, want %q", got, versions)
	}
	files, _ := os.ReadDir(filepath.Join(p.root, "ccai/packages"))
	if len(files) != kept {
		p.Errorf("%d files are kept, want %d: %v", len(files), kept, files)
	}
}

// expectUntouched: an update that was refused has changed nothing.
func (p *packaged) expectUntouched(versions string) {
	p.Helper()
	p.expect(versions, 0)
	p.expectOld()
}

// expectPrivate: files that only some may read once they are installed are in packages.
func (p *packaged) expectPrivate() {
	p.Helper()
	folder := filepath.Join(p.root, "ccai/packages")
	files, _ := os.ReadDir(folder)
	for _, each := range append([]string{""}, names(files)...) {
		if info, err := os.Stat(filepath.Join(folder, each)); err != nil || info.Mode().Perm()&0o077 != 0 {
			p.Errorf("others may read packages/%s: %v, %v", each, info.Mode(), err)
		}
	}
}

func names(entries []os.DirEntry) []string {
	var names []string
	for _, each := range entries {
		names = append(names, each.Name())
	}
	return names
}

func TestPackages(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"), deb{Name: "extra", Version: "1"})
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2", 2)
	p.expectPrivate()
	status, err := p.updater().Status(context.Background(), "ccai")
	if err != nil || len(status.Packages) != 1 || status.Packages[0].Installed != "2" {
		t.Errorf("%+v, %v", status, err)
	}
	restarts := p.restarted()
	if result, err := p.apply(); err != nil || result.Outcome != update.Unchanged || p.restarted() != restarts {
		t.Errorf("%+v, %v", result, err)
	}

	// Back, and forward again, by what is kept.
	for at, want := range []string{"app 1", "app 2", "app 1"} {
		result, err := p.updater().Rollback(context.Background(), "ccai")
		if err != nil {
			t.Fatal(err)
		}
		p.expect(want, 2)
		if version := p.host.Text("usr/share/app/version"); "app "+version != want {
			t.Errorf("%d: %+v, and the file of %s", at, result, version)
		}
	}
	// What only one of two releases had is gone with it.
	if _, err := p.updater().Prune(context.Background(), "ccai", 1); err != nil {
		t.Fatal(err)
	}
	p.expect("app 1", 1)
}

func TestPackagesByPolicy(t *testing.T) {
	needy := app("2")
	needy.Fields = "Depends: lib (>= 2), extra | other\n"
	cases := map[string]struct {
		policy    update.Policy
		installed []deb
		carried   []deb
		want      string
	}{
		"those that are installed":    {"", nil, []deb{app("2"), {Name: "extra", Version: "1"}}, "app 2"},
		"and what they need":          {"", nil, []deb{needy, {Name: "lib", Version: "2"}, {Name: "extra", Version: "1"}, {Name: "third", Version: "1"}}, "app 2, extra 1, lib 2"},
		"all":                         {update.AllPackages, nil, []deb{app("2"), {Name: "extra", Version: "1"}}, "app 2, extra 1"},
		"none":                        {update.NoPackages, nil, []deb{app("2")}, "app 1"},
		"an unchanged one is listed":  {"", []deb{app("1"), {Name: "lib", Version: "1"}}, []deb{app("2"), listed(deb{Name: "lib", Version: "1"})}, "app 2, lib 1"},
		"a lower version is put back": {"", []deb{app("3")}, []deb{app("2")}, "app 2"},
		"the device has none":         {"", []deb{{Name: "other", Version: "1"}}, []deb{app("2")}, "other 1"},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPackaged(t, each.installed...)
			if each.policy != "" {
				p.policies["ccai"] = each.policy
			}
			p.carries(each.carried...)
			if _, err := p.apply(); err != nil {
				t.Fatal(err)
			}
			if got := p.host.Versions(); got != each.want {
				t.Errorf("installed is %q, want %q", got, each.want)
			}
			if !strings.Contains(p.current(), `"2.0.0"`) {
				t.Errorf("current is %s", p.current())
			}
		})
	}
}

func TestPackagesOnHold(t *testing.T) {
	p := newPackaged(t)
	p.host.Hold("app")
	p.carries(app("2"))
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 1", 0)
	p.expectLogged("app is on hold")
}

func (p *packaged) expectLogged(text string) {
	p.Helper()
	if !slices.ContainsFunc(p.log, func(line string) bool { return strings.Contains(line, text) }) {
		p.Errorf("nothing was said of %q: %q", text, p.log)
	}
}

func TestPackagesRefused(t *testing.T) {
	needy := app("2")
	needy.Fields = "Depends: lib (>= 2)\n"
	cases := map[string]struct {
		alter   func(p *packaged)
		because string
	}{
		"a package is missing": {func(p *packaged) { p.carries(needy) }, "Package lib is not installed"},
		"the bundle counts on a version": {func(p *packaged) { p.carries(listed(app("2"))) },
			"counts on version 2, and this device has 1"},
		"it is another package": {func(p *packaged) {
			p.bytes = sample.BundleWithPackages("ccai", "1.0.0", "2.0.0", nil,
				[]sample.Package{{Name: "app", Version: "2", Architecture: "all", Bytes: app("3").Build(p.T)}},
				sample.Target{From: p.one, To: p.two, Reference: "app:2"})
		}, "its package app 2 all is app 3 all"},
		"its bytes were altered": {func(p *packaged) {
			p.carries(app("2"))
			p.bytes[strings.Index(string(p.bytes), "usr/share/app/version")+600] ^= 1
		}, "whose digest is"},
		"an image that cannot be loaded": {func(p *packaged) {
			p.carries(app("2"))
			p.engine.Hook = func(_, path string) error {
				if strings.HasSuffix(path, "/load") {
					return errors.New("out of order")
				}
				return nil
			}
		}, "out of order"},
		"a name that leaves the folder": {func(p *packaged) {
			p.bytes = sample.BundleWithPackages("ccai", "1.0.0", "2.0.0", nil,
				[]sample.Package{{Name: "../app", Version: "2", Architecture: "all"}}, sample.Target{From: p.one, To: p.two, Reference: "app:2"})
		}, "its list of packages names"},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPackaged(t)
			each.alter(p)
			if _, err := p.apply(); err == nil || !strings.Contains(err.Error(), each.because) {
				t.Errorf("got %v, want %q", err, each.because)
			}
			p.expectUntouched("app 1")
		})
	}
}

func TestPackagesWithoutDpkg(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	p.host.System = dpkg.System{Root: t.TempDir()}
	if _, err := p.apply(); err == nil || !strings.Contains(err.Error(), "it has no dpkg") {
		t.Errorf("got %v", err)
	}
	p.expectOld()
	p.policies["ccai"] = update.NoPackages
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expectNew()
}

// Two bundles in a row: the second counts on a package that the first carries.
func TestPackagesOfARow(t *testing.T) {
	p := newPackaged(t, app("1"), deb{Name: "lib", Version: "1"})
	three := sample.NewImage("3", sample.Tar(sample.Entry{Name: "etc/conf", Contents: []byte("three")}))
	first := p.bundle("1.0.0", "2.0.0", p.one, p.two, app("2"), listed(deb{Name: "lib", Version: "1"}))
	second := p.bundle("2.0.0", "3.0.0", p.two, three, listed(app("2")), deb{Name: "lib", Version: "3"})
	if err := p.updater().ApplyRow(context.Background(), p.open(first), p.open(second)); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2, lib 3", 4)
}

// A power cut ends dpkg and this program at each call of dpkg that changes something; then the program is asked to resume.
func TestPackagesInterrupted(t *testing.T) {
	for _, healthy := range []bool{true, false} {
		for call := 1; call <= 2; call++ {
			for _, how := range []dpkgtest.Cut{dpkgtest.Before, dpkgtest.Unpacked, dpkgtest.After} {
				if healthy && call == 2 || !healthy && call == 1 && how != dpkgtest.Unpacked {
					continue // there is none, or it is as with a healthy one
				}
				t.Run(fmt.Sprintf("healthy %v, call %d, %s", healthy, call, how), func(t *testing.T) {
					p := newPackaged(t)
					p.carries(app("2"))
					if !healthy {
						p.health["2.0.0"] = 3
					}
					ctx, stop := context.WithCancel(context.Background())
					defer stop()
					mend := p.host.CutOff(call, how, stop)
					if _, err := p.updater().Apply(ctx, p.open(p.bytes)); !errors.Is(err, context.Canceled) {
						t.Fatalf("got %v", err)
					}
					mend()
					_, err := p.updater().Resume(context.Background(), "ccai")
					if healthy {
						if err != nil {
							t.Fatal(err)
						}
						p.expect("app 2", 2)
						return
					}
					if err == nil || !strings.Contains(err.Error(), "1.0.0 is back") || strings.Contains(err.Error(), "without its packages") {
						t.Errorf("got %v", err)
					}
					p.expectUntouched("app 1")
				})
			}
		}
	}
}

// A pull brings no packages: where some are to change, the bundle is the way, though a pull were cheaper.
func TestPackagesOfAChannel(t *testing.T) {
	s := newServed(t, engine.Classic)
	p := &packaged{device: s.device, host: dpkgtest.New(t), policies: map[string]update.Policy{}}
	s.pullable(1000, s.two)
	for at, want := range []string{"delta", "pull"} {
		installed := fmt.Sprint(at + 1)
		p.host.Install(app(installed))
		s.document["packages"] = []any{map[string]any{"name": "app", "version": "2", "architecture": "all"},
			map[string]any{"name": "extra", "version": "1", "architecture": "all"}}
		outlook, err := p.updater().Check(context.Background(), "ccai", s.follow)
		if err != nil || outlook.Way.Kind != want {
			t.Errorf("with %s: %+v, %v; want %s", installed, outlook, err, want)
		}
	}
}
