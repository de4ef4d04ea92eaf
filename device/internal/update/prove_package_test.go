package update_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

// folderOf packages, by names that say nothing of them.
func folderOf(t *testing.T, files ...[]byte) *update.OldPackages {
	folder := t.TempDir()
	for at, text := range files {
		if err := os.WriteFile(filepath.Join(folder, string(rune('a'+at))+".deb"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "Packages"), []byte("a list\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return &update.OldPackages{Folder: folder, Temporary: t.TempDir()}
}

// compressed as packages usually are.
func compressed(t *testing.T, plain []byte) []byte {
	folder := t.TempDir()
	file, tree := filepath.Join(folder, "app.deb"), filepath.Join(folder, "tree")
	if err := os.WriteFile(file, plain, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"-R", file, tree}, {"--root-owner-group", "-Zxz", "-b", tree, file}} {
		if out, err := exec.Command("dpkg-deb", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestProvePackage(t *testing.T) {
	one := vectorDeb("1").Build(t)
	for name, files := range map[string][][]byte{
		"plain":      {vectorDeb("3").Build(t), one},
		"compressed": {compressed(t, one)},
	} {
		p := newPackaged(t, app("1"))
		p.carriesDelta(func(*sample.Package) {})
		report, err := p.updater().Verify(t.Context(), p.open(p.bytes), nil, folderOf(t, files...))
		if err != nil {
			t.Fatal(name, err)
		}
		if each := report.Packages[0]; !each.Applied || each.From != "1" {
			t.Errorf("%s: %+v", name, each)
		}
		p.expectUntouched("app 1")
		if report, err := p.updater().Verify(t.Context(), p.open(p.bytes), nil, nil); err != nil || report.Packages[0].Applied {
			t.Errorf("without them: %+v, %v", report, err)
		}
	}
}

func TestPackageNotProven(t *testing.T) {
	one := vectorDeb("1").Build(t)
	same := func(*sample.Package) {}
	for because, each := range map[string]struct {
		old   *update.OldPackages
		spoil func(*sample.Package)
	}{
		"it holds no app 1 for all, from which 2 is made": {folderOf(t, vectorDeb("3").Build(t)), same},
		"it cannot be read": {&update.OldPackages{Folder: "/nonexistent"}, same},
		`version 2 is made from the files of 1, and "usr/lib/app/text" was altered in `: {folderOf(t, bytes.Replace(one, []byte("line 2000\n"), []byte("line 2002\n"), 1)), same},
		`version 2 is made from the files of 1, and "usr/lib/app/text" is missing in `:  {folderOf(t, bytes.ReplaceAll(one, []byte("app/text"), []byte("app/next"))), same},
		"comes out with the digest":              {folderOf(t, one), func(delta *sample.Package) { delta.Delta.SHA256 = strings.Repeat("0", 64) }},
		"it becomes larger than the bundle says": {folderOf(t, one), func(delta *sample.Package) { delta.Delta.Size-- }},
	} {
		p := newPackaged(t, app("1"))
		p.carriesDelta(each.spoil)
		_, err := p.updater().Verify(t.Context(), p.open(p.bytes), nil, each.old)
		if err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("got %v, want %q", err, because)
		}
	}
}
