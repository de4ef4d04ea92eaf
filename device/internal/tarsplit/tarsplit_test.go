package tarsplit_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/iotest"

	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/tarsplit"
)

func read(t *testing.T, list []byte, folder string) ([]byte, error) {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := tarsplit.NewReader(iotest.HalfReader(bytes.NewReader(list)), root)
	defer r.Close()
	return io.ReadAll(r)
}

func TestTarsComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		entries := []sample.Entry{{Name: "name of \xff no UTF-8", Contents: []byte("x")}, {Name: "empty"}}
		for at := range random.IntN(20) {
			name := filepath.Join("a", string(rune('a'+at%3)), string(rune('a'+at)))
			entries = append(entries, sample.Entry{Name: name, Contents: sample.Noise(random.IntN(5000), uint64(at))})
		}
		text, folder := sample.Tar(entries...), t.TempDir()
		list := sample.SplitTar(text, folder)
		if found, err := read(t, list, folder); err != nil || !bytes.Equal(found, text) {
			t.Fatalf("round %d: another tar comes out, %v", round, err)
		}
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	text := sample.Tar(sample.Entry{Name: "etc/passwd", Contents: sample.Noise(5000, 1)})
	for name, spoil := range map[string]func(path string) error{
		"gone":    os.Remove,
		"shorter": func(path string) error { return os.Truncate(path, 4999) },
		"longer":  func(path string) error { return os.Truncate(path, 5001) },
		"another kind": func(path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644))
		},
		"elsewhere": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		},
		"in a folder elsewhere": func(path string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(path)), os.Symlink("/etc", filepath.Dir(path)))
		},
	} {
		folder := t.TempDir()
		list := sample.SplitTar(text, folder)
		if err := spoil(filepath.Join(folder, "etc/passwd")); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, list, folder); err == nil {
			t.Errorf("a file that is %s is taken", name)
		}
	}
}

func TestLists(t *testing.T) {
	for _, list := range []string{`{"type":3}`, `{"type":2,"payload":"%"}`, `{"type":2,`, `[]`, `{"type":1,"name":"../x","size":1}`} {
		if _, err := read(t, []byte(list), t.TempDir()); err == nil {
			t.Errorf("%s is taken", list)
		}
	}
}
