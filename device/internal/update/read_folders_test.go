package update_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
)

func TestSourcesAreReadFromTheFoldersOfTheEngine(t *testing.T) {
	d := newDevice(t, engine.Classic)
	d.engine.PutFolders(t, d.oneID)
	d.engine.Hook = func(method, path string) error {
		if strings.HasSuffix(path, "/get") {
			return errors.New("nothing is saved")
		}
		return nil
	}
	if _, err := d.apply(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.current(), "2.0.0") {
		t.Errorf("%s runs", d.current())
	}
}

func TestFoldersThatCannotBeReadAreLeftToTheEngine(t *testing.T) {
	for name, spoil := range map[string]func(folders []string) error{
		"other bytes": func(folders []string) error {
			return os.WriteFile(filepath.Join(folders[1], "app/model"), make([]byte, 300_000), 0o644)
		},
		"other bytes below": func(folders []string) error {
			return os.WriteFile(filepath.Join(folders[0], "lib/base"), make([]byte, 5000), 0o644)
		},
		"not there": func(folders []string) error { return os.RemoveAll(folders[1]) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, engine.Classic)
			if err := spoil(d.engine.PutFolders(t, d.oneID)); err != nil {
				t.Fatal(err)
			}
			saved := 0
			d.engine.Hook = func(method, path string) error {
				if strings.HasSuffix(path, "/get") {
					saved++
				}
				return nil
			}
			if _, err := d.apply(); err != nil {
				t.Fatal(err)
			}
			if saved != 1 || !strings.Contains(d.current(), "2.0.0") {
				t.Errorf("%d times saved, %s runs", saved, d.current())
			}
		})
	}
}
