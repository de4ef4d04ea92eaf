package source_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/source"
)

func gather(t *testing.T, files *source.Files, order []int, layers ...[]byte) {
	t.Helper()
	if err := files.Spool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	for {
		files.Again()
		for _, at := range order {
			if err := files.Add(bytes.NewReader(layers[at])); err != nil {
				t.Fatal(err)
			}
			files.Commit(at)
		}
		more, err := files.WantLinkTargets()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func contents(t *testing.T, files *source.Files, path string) string {
	t.Helper()
	file, err := files.Open(path)
	if err != nil {
		return "missing"
	}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFiles(t *testing.T) {
	lower := sample.Tar(
		sample.Entry{Name: "./etc/conf", Contents: []byte("lower")},
		sample.Entry{Name: "bin/tool", Contents: []byte("tool of old")},
		sample.Entry{Name: "bin/alias", Link: "bin/tool"},
		sample.Entry{Name: "bin/round", Link: "bin/trip"},
		sample.Entry{Name: "bin/trip", Link: "bin/round"},
		sample.Entry{Name: "../escape", Contents: []byte("outside")},
		sample.Entry{Name: "unasked", Contents: make([]byte, 1<<20)},
	)
	upper := sample.Tar(
		sample.Entry{Name: "/etc/conf", Contents: []byte("upper")},
		sample.Entry{Name: "bin/tool", Contents: []byte("tool of new")},
	)
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		files := source.NewFiles(memory.Default)
		for path, end := range map[string]int64{"etc/conf": 5, "bin/alias": 8, "bin/round": 3, "bin/none": 9} {
			if err := files.Want(path, end); err != nil {
				t.Fatal(err)
			}
		}
		files.Want("etc/conf", 3)
		gather(t, files, order, lower, upper)
		for path, want := range map[string]string{
			"etc/conf":  "upper",
			"bin/alias": "tool of ", // what it was in its own filesystem layer, as far as it is read
			"bin/round": "missing",
			"bin/none":  "missing",
			"unasked":   "missing",
		} {
			if got := contents(t, files, path); got != want {
				t.Errorf("%v: %s is %q, want %q", order, path, got, want)
			}
		}
	}
}

func TestLinkReadsFurther(t *testing.T) {
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("0123456789")}, sample.Entry{Name: "b", Link: "a"})
	files := source.NewFiles(memory.Default)
	files.Want("a", 2)
	files.Want("b", 10)
	gather(t, files, []int{0}, layer)
	if got := contents(t, files, "b"); got != "0123456789" {
		t.Errorf("b is %q", got)
	}
}

func TestTooManyFiles(t *testing.T) {
	files := source.NewFiles(memory.Budget(1024))
	var err error
	for at := 0; at < 5 && err == nil; at++ {
		err = files.Want(strings.Repeat("x", at+1), 1)
	}
	if err == nil || !strings.Contains(err.Error(), "more than 4 files") {
		t.Errorf("got %v", err)
	}
}
