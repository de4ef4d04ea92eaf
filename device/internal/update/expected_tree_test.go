package update_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"testing"

	"imgbuild/device/internal/update"
)

type named struct {
	name, contents string
	kind           byte
}

func tarOf(entries []named) *bytes.Buffer {
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, each := range entries {
		kind := each.kind
		if kind == 0 {
			kind = tar.TypeReg
		}
		archive.WriteHeader(&tar.Header{Name: each.name, Typeflag: kind, Size: int64(len(each.contents)), Linkname: "x"})
		archive.Write([]byte(each.contents))
	}
	archive.Close()
	return &out
}

// What filesystem layers hide from each other is not missing; what they do not hide is.
func TestExpectedTree(t *testing.T) {
	dir := byte(tar.TypeDir)
	layers := [][]named{
		{{"d/", "", dir}, {"d/a", "1", 0}, {"d/e/", "", dir}, {"d/e/b", "2", 0}, {"f/c", "3", 0}, {"g", "4", 0}, {"etc/hosts", "5", 0}},
		{{"d/.wh.e", "", 0}, {"f/.wh..wh..opq", "", 0}, {"f/h", "6", 0}, {"l", "", tar.TypeLink}},
		{{"d/e/", "", dir}, {"d/e/i", "7", 0}, {"k", "8", 0}, {"d/e/sub/j", "9", 0}},
		{{"d/e/sub", "", tar.TypeSymlink}},
	}
	whole := []named{{"d/", "", dir}, {"d/a", "1", 0}, {"d/e/", "", dir}, {"d/e/i", "7", 0}, {"d/e/sub", "", tar.TypeSymlink}, {"f/h", "6", 0},
		{"g", "4", 0}, {"k", "8", 0}, {"proc/x", "new", 0}}
	compare := func(limit int, tree []named) error {
		expected := update.NewExpectedTree(limit)
		for _, at := range []int{2, 0, 3, 1} { // archives have them in any order
			if err := expected.Add("", tarOf(layers[at])); err != nil {
				t.Fatal(err)
			}
			expected.Commit(at, "")
		}
		return expected.Compare(tarOf(tree))
	}
	if err := compare(1000, whole); err != nil {
		t.Error(err)
	}
	for at, each := range whole[:len(whole)-1] {
		without := append(append([]named{}, whole[:at]...), whole[at+1:]...)
		if err := compare(1000, without); errors.Is(err, update.ErrDamaged) != (each.contents != "") {
			t.Errorf("without %s: %v", each.name, err)
		}
		if each.contents == "" {
			continue
		}
		other := append([]named{}, whole...)
		other[at].contents = "other"
		if err := compare(1000, other); !errors.Is(err, update.ErrDamaged) {
			t.Errorf("other %s: %v", each.name, err)
		}
	}
	if err := compare(3, whole[:1]); err != nil {
		t.Errorf("what there was no room for is missing: %v", err)
	}
}
