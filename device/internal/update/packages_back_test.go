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
	"time"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/dpkgtest"
	"imgbuild/device/internal/update"
)

// The new release does not work, or one of its packages cannot be installed: all packages are back, new ones gone.
func TestPackagesGoBack(t *testing.T) {
	broken := app("2")
	broken.Files = map[string]string{"usr/share/app/version": "2", "DEBIAN/postinst": "#!/bin/sh\n[ \"$1\" != configure ] || exit 1\n"}
	needy := app("2")
	needy.Fields = "Depends: extra\n"
	cases := map[string]struct {
		carried []deb
		health  int
		because string
	}{
		"a failed health check": {[]deb{needy, {Name: "extra", Version: "1"}}, 3, "2.0.0 is broken"},
		"a script that fails":   {[]deb{broken}, 0, "1.0.0 is back"},
	}
	for name, each := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPackaged(t)
			p.carries(each.carried...)
			if each.health != 0 {
				p.health["2.0.0"] = each.health
			}
			if _, err := p.apply(); err == nil || !strings.Contains(err.Error(), each.because) || strings.Contains(err.Error(), "without its packages") {
				t.Errorf("got %v", err)
			}
			p.expectUntouched("app 1")
			if version := p.host.Text("usr/share/app/version"); version != "1" {
				t.Errorf("the file is that of %q", version)
			}
		})
	}
}

func (p *packaged) rollback(want string, kept int) {
	p.Helper()
	if _, err := p.updater().Rollback(context.Background(), "ccai"); err != nil {
		p.Fatal(err)
	}
	p.expect(want, kept)
}

// What is held stays when the release goes back.
func TestPackagesOnHoldGoingBack(t *testing.T) {
	p := newPackaged(t, app("1"), deb{Name: "lib", Version: "1"})
	p.carries(app("2"), deb{Name: "lib", Version: "2"})
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2, lib 2", 4)
	p.host.Hold("app")
	p.rollback("app 2, lib 1", 3) // what is not to come back is not kept either
	p.expectLogged("app is on hold")
	p.rollback("app 2, lib 2", 3)
}

// A package of version 2 has taken files over from another one, which needs it, and which it does not stand as it was.
func TestPackagesThatWereSplit(t *testing.T) {
	for _, healthy := range []bool{true, false} {
		t.Run(fmt.Sprintf("healthy %v", healthy), func(t *testing.T) {
			old, core := app("1"), app("2")
			old.Files["usr/share/app/data"] = "1"
			core.Fields = "Depends: app-data (= 2)\n"
			data := deb{Name: "app-data", Version: "2", Fields: "Replaces: app (<< 2)\nBreaks: app (<< 2)\n",
				Files: map[string]string{"usr/share/app/data": "2"}}
			p := newPackaged(t, old)
			p.carries(core, data)
			if !healthy {
				p.health["2.0.0"] = 3
				if _, err := p.apply(); err == nil || strings.Contains(err.Error(), "without its packages") {
					t.Errorf("got %v", err)
				}
				p.expectUntouched("app 1")
			} else {
				if _, err := p.apply(); err != nil {
					t.Fatal(err)
				}
				p.expect("app 2, app-data 2", 3)
				p.rollback("app 1", 3)
			}
			if text := p.host.Text("usr/share/app/data"); text != "1" {
				t.Errorf("the file is that of %q", text)
			}
		})
	}
}

// A package that is new with version 2 needs another one in that version.
func TestPackagesThatNeedTheNewVersion(t *testing.T) {
	p := newPackaged(t)
	p.policies["ccai"] = update.AllPackages
	p.carries(app("2"), deb{Name: "tool", Version: "1", Fields: "Depends: app (>= 2)\n"})
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2, tool 1", 3)
	p.rollback("app 1", 3)
	p.rollback("app 2, tool 1", 3)
}

// impatient updater that does not wait for apt.
func (p *packaged) impatient() *update.Updater {
	u := p.updater()
	u.Patience = time.Millisecond
	return u
}

// That apt is at work is no fault of the release: nothing has happened, and the next time it is installed.
func TestPackagesWhileAptWorks(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	release := p.host.Busy()
	if _, err := p.impatient().Apply(context.Background(), p.open(p.bytes)); !errors.Is(err, dpkg.ErrBusy) {
		t.Errorf("got %v", err)
	}
	p.expectUntouched("app 1")
	release()
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2", 2)

	release = p.host.Busy()
	if _, err := p.impatient().Rollback(context.Background(), "ccai"); !errors.Is(err, dpkg.ErrBusy) {
		t.Errorf("got %v", err)
	}
	p.expect("app 2", 2)
	if slices.Contains(p.left(), "journal") || slices.Contains(p.left(), "channels") {
		t.Errorf("left %v", p.left())
	}
	release()
	p.rollback("app 1", 2)
}

// apt has begun while the new release was checked: the old one runs at once, and its packages come back with `resume`.
func TestPackagesGoBackWhileAptWorks(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	p.health["2.0.0"] = 3
	var release func()
	p.engine.Hook = func(_, path string) error {
		if strings.HasSuffix(path, "/tag") && release == nil {
			release = p.host.Busy()
		}
		return nil
	}
	_, err := p.impatient().Apply(context.Background(), p.open(p.bytes))
	if err == nil || !strings.Contains(err.Error(), "1.0.0 is back, without its packages: locking") || p.current() != "" {
		t.Errorf("got %v, and current is %q", err, p.current())
	}
	p.expect("app 2", 2)
	p.engine.Hook = nil
	release()
	if _, err := p.updater().Resume(context.Background(), "ccai"); err == nil || strings.Contains(err.Error(), "without its packages") {
		t.Errorf("got %v", err)
	}
	p.expectUntouched("app 1")
}

// cutOffBeforeDpkg ends an update before the first call of dpkg.
func (p *packaged) cutOffBeforeDpkg() {
	p.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	mend := p.host.CutOff(1, dpkgtest.Before, stop)
	if _, err := p.updater().Apply(ctx, p.open(p.bytes)); !errors.Is(err, context.Canceled) {
		p.Fatalf("got %v", err)
	}
	mend()
}

// An update that was cut off before dpkg began, and apt is at work at the next start: it stays where it is.
func TestPackagesResumedWhileAptWorks(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	p.cutOffBeforeDpkg()
	release := p.host.Busy()
	if _, err := p.impatient().Resume(context.Background(), "ccai"); !errors.Is(err, dpkg.ErrBusy) {
		t.Errorf("got %v", err)
	}
	release()
	if result, err := p.updater().Resume(context.Background(), "ccai"); err != nil || result.Outcome != update.Updated {
		t.Errorf("%+v, %v", result, err)
	}
	p.expect("app 2", 2)
}

// Somebody holds a package after the update was planned.
func TestPackagesHeldMeanwhile(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	p.cutOffBeforeDpkg()
	p.host.Hold("app")
	if _, err := p.updater().Resume(context.Background(), "ccai"); err != nil {
		t.Error(err)
	}
	p.expect("app 1", 2)
}

// dpkg has done all, and ends with an error.
func TestPackagesInPlaceWhateverDpkgSays(t *testing.T) {
	p := newPackaged(t)
	p.carries(app("2"))
	p.host.CutOff(1, dpkgtest.After, func() {})
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2", 2)
	p.expectLogged("all packages are in place")
}

// What cannot be cleared away is no fault of a change that is over.
func TestPackagesThatCannotBeSwept(t *testing.T) {
	for _, healthy := range []bool{true, false} {
		t.Run(fmt.Sprintf("healthy %v", healthy), func(t *testing.T) {
			p := newPackaged(t)
			if !healthy {
				p.health["2.0.0"] = 3
			}
			file := filepath.Join(p.root, "ccai/packages")
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			_, err := p.apply()
			if healthy && err != nil || !healthy && (err == nil || !strings.Contains(err.Error(), "1.0.0 is back")) {
				t.Errorf("got %v", err)
			}
			p.expectLogged("warning: packages that nothing needs")
		})
	}
}
