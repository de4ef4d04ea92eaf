package update_test

import (
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/dpkgtest"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

const packageVectors = "../../../test/delta/package-delta/vectors"

// vectorDeb has the files of which the vectors are deltas.
func vectorDeb(version string) deb {
	var text strings.Builder
	for at := range 3000 {
		of := ""
		if at == 1500 {
			of = " of version " + version
		}
		fmt.Fprintf(&text, "line %d%s\n", at, of)
	}
	return deb{Name: "app", Version: version, Files: map[string]string{
		"usr/lib/app/text": text.String(),
		"usr/lib/app/" + strings.Repeat("long/", 20) + "name": "all the same in each of them: " + text.String()[:999],
		"etc/app.conf":     "version " + version + ", which is a setting and no source\n",
		"DEBIAN/conffiles": "/etc/app.conf\n",
		"DEBIAN/md5sums":   "0123456789abcdef0123456789abcdef  usr/lib/app/" + version + "\n",
	}}
}

// vectorDelta to a version, as a package of a bundle.
func vectorDelta(t testing.TB, to string) sample.Package {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packageVectors, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		From, To, Delta, SHA256 string
		Size                    int64
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, each := range vectors {
		if each.To != to {
			continue
		}
		delta, err := os.ReadFile(filepath.Join(packageVectors, each.Delta))
		if err != nil {
			t.Fatal(err)
		}
		return sample.Package{Name: "app", Version: to, Architecture: "all", Bytes: vectorDeb(to).Build(t),
			Delta: &sample.PackageDelta{From: each.From, Bytes: delta, SHA256: each.SHA256, Size: each.Size}}
	}
	t.Fatalf("no vector leads to %s", to)
	return sample.Package{}
}

func (p *packaged) carriesDelta(change func(*sample.Package)) {
	p.Helper()
	delta := vectorDelta(p.T, "2")
	change(&delta)
	p.bytes = sample.BundleWithPackages("ccai", "1.0.0", "2.0.0", nil, []sample.Package{delta},
		sample.Target{From: p.one, To: p.two, Reference: "app:2"})
}

func (p *packaged) installedText() string { return p.host.Text("usr/lib/app/text") }

const packageText = "usr/lib/app/text"

func (p *packaged) alter(path, text string) {
	p.Helper()
	if err := os.WriteFile(filepath.Join(p.host.Root, path), []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

func TestPackageDelta(t *testing.T) {
	p := newPackaged(t, vectorDeb("1"))
	// Settings are no sources.
	p.alter("etc/app.conf", "changed\n")
	p.carriesDelta(func(*sample.Package) {})
	if _, err := p.updater().Verify(t.Context(), p.open(p.bytes), nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.expect("app 2", 2)
	p.expectPrivate()
	if p.installedText() != vectorDeb("2").Files[packageText] || p.host.Text("etc/app.conf") != "changed\n" {
		t.Error("what is installed is not version 2")
	}
	for _, want := range []string{"app 1", "app 2"} {
		if _, err := p.updater().Rollback(t.Context(), "ccai"); err != nil {
			t.Fatal(err)
		}
		p.expect(want, 2)
	}
}

func TestPackageDeltaRefused(t *testing.T) {
	for because, spoil := range map[string]func(*packaged, *sample.Package){
		`version 2 is made from the files of 1, and "/usr/lib/app/text" was altered on this device; apply a bundle that starts from none, or install app 1 again`: func(p *packaged, _ *sample.Package) {
			p.alter(packageText, strings.Replace(p.installedText(), "line 7\n", "line 8\n", 1))
		},
		`"/usr/lib/app/text" was altered`: func(p *packaged, _ *sample.Package) { p.alter(packageText, p.installedText()+"more") },
		`"/usr/lib/app/text" is missing`: func(p *packaged, _ *sample.Package) {
			os.Remove(filepath.Join(p.host.Root, packageText))
			os.Mkdir(filepath.Join(p.host.Root, packageText), 0o755)
		},
		"and this device has 5": func(p *packaged, _ *sample.Package) { p.host.Install(vectorDeb("5")) },
		"comes out with the digest": func(_ *packaged, delta *sample.Package) {
			delta.Delta.SHA256 = strings.Repeat("0", 64)
		},
		"its delta of the package app: it is cut off": func(_ *packaged, delta *sample.Package) {
			delta.Delta.Bytes = delta.Delta.Bytes[:len(delta.Delta.Bytes)-1]
		},
		"something follows it": func(_ *packaged, delta *sample.Package) {
			delta.Delta.Bytes = append(delta.Delta.Bytes, 0)
		},
	} {
		t.Run(because, func(t *testing.T) {
			p := newPackaged(t, vectorDeb("1"))
			p.carriesDelta(func(delta *sample.Package) { spoil(p, delta) })
			before := p.host.Versions()
			_, err := p.apply()
			var told *failure.Failure
			if !errors.As(err, &told) || !strings.Contains(told.Error()+"; "+told.Fix, because) {
				t.Errorf("got %v", err)
			}
			p.expectUntouched(before)
		})
	}
}

// Of several in a row each version is made from the one before, which is never installed.
func TestPackageDeltasOfARow(t *testing.T) {
	p := newPackaged(t, vectorDeb("1"))
	three := sample.NewImage("3", sample.Tar(sample.Entry{Name: "etc/conf", Contents: []byte("three")}))
	p.carriesDelta(func(*sample.Package) {})
	last := sample.BundleWithPackages("ccai", "2.0.0", "3.0.0", nil, []sample.Package{vectorDelta(t, "3")},
		sample.Target{From: p.two, To: three, Reference: "app:3"})
	if err := p.updater().ApplyRow(t.Context(), p.open(p.bytes), p.open(last)); err != nil {
		t.Fatal(err)
	}
	p.expect("app 3", 2)
	if p.installedText() != vectorDeb("3").Files[packageText] {
		t.Error("what is installed is not version 3")
	}
}

// A file of a package that an update has brought here can be read from, too.
func TestPackageDeltaFromWhatIsKept(t *testing.T) {
	p := newPackaged(t, vectorDeb("0"))
	p.bytes = p.bundle("0.0.0", "1.0.0", p.one, p.two, vectorDeb("1"))
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.alter(packageText, "altered")
	three := sample.NewImage("3", sample.Tar(sample.Entry{Name: "etc/conf", Contents: []byte("three")}))
	p.bytes = sample.BundleWithPackages("ccai", "1.0.0", "2.0.0", nil, []sample.Package{vectorDelta(t, "2")},
		sample.Target{From: p.two, To: three, Reference: "app:3"})
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	if p.installedText() != vectorDeb("2").Files[packageText] {
		t.Error("what is installed is not version 2")
	}
}

// newServedPackage is a device with a package, of which a channel has a delta.
func newServedPackage(t *testing.T) (*served, *packaged) {
	s := newServed(t, engine.Classic)
	p := &packaged{device: s.device, host: dpkgtest.New(t), policies: map[string]update.Policy{}}
	one := app("1")
	one.Files["DEBIAN/md5sums"] = fmt.Sprintf("%x  usr/share/app/version\n", md5.Sum([]byte("1")))
	p.host.Install(one)
	s.document["packages"] = []any{map[string]any{"name": "app", "version": "2", "architecture": "all"}}
	s.document["deltas"].([]any)[0].(map[string]any)["packages"] =
		[]any{map[string]any{"name": "app", "version": "1", "architecture": "all"}}
	return s, p
}

// A delta that makes a package from files that somebody has altered is not even downloaded.
func TestFollowPackageDelta(t *testing.T) {
	for name, each := range map[string]struct {
		spoil  func(*packaged)
		policy update.Policy
		way    string
	}{
		"as it was":          {func(*packaged) {}, "", "ccai_1.0.0_2.0.0.ota.tar"},
		"a file was altered": {func(p *packaged) { p.alter("usr/share/app/version", "3") }, "", "ccai_none_2.0.0.ota.tar"},
		"a file may not be read": {func(p *packaged) { os.Chmod(filepath.Join(p.host.Root, "usr/share/app/version"), 0) }, "",
			"ccai_1.0.0_2.0.0.ota.tar"},
		"another version is installed": {func(p *packaged) { p.host.Install(app("3")) }, "", "ccai_none_2.0.0.ota.tar"},
		"the new version is there":     {func(p *packaged) { p.host.Install(app("2")) }, "", "ccai_1.0.0_2.0.0.ota.tar"},
		"packages are left alone":      {func(p *packaged) { p.host.Install(app("3")) }, update.NoPackages, "ccai_1.0.0_2.0.0.ota.tar"},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newServedPackage(t)
			p.policies["ccai"] = each.policy
			each.spoil(p)
			s.add("none", "2.0.0", append(p.bundle("", "2.0.0", nil, p.two, app("2")), make([]byte, 1<<20)...))
			outlook, err := p.updater().Check(t.Context(), "ccai", s.follow)
			if err != nil || len(outlook.Way.Files) != 1 || outlook.Way.Files[0] != each.way {
				t.Errorf("%+v, %v; want %s", outlook.Way, err, each.way)
			}
		})
	}
}

// The files of packages are read where an update would use them, not twice a day for a version that is left alone.
func TestPackagesOfAVersionThatIsLeft(t *testing.T) {
	s, p := newServedPackage(t)
	sums := filepath.Join(p.host.Root, "var/lib/dpkg/info/app.md5sums")
	folder := filepath.Join(s.root, "ccai")
	for _, err := range []error{
		os.Remove(sums), os.Mkdir(sums, 0o755), // whoever reads it fails
		os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, "channels"), []byte(`{"schema":1,"channels":{},"left":["2.0.0"]}`), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	outlook, err := p.updater().Check(t.Context(), "ccai", s.follow)
	if err != nil || outlook.Action != "none" {
		t.Errorf("%+v, %v", outlook, err)
	}
	s.follow.Again = true
	if _, err := p.updater().Check(t.Context(), "ccai", s.follow); err == nil {
		t.Error("nothing was read where it is to be used")
	}
}
