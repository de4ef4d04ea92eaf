package source_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/source"
)

// Tars come in any order, with names that say what they are or do not, among others that nothing is needed of.
func TestRanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		tars := [][]byte{sample.Noise(50_000, 1), sample.Noise(40_000, 2), sample.Noise(45_000, 3)}
		sources := &layerdelta.Sources{}
		var want []byte
		for _, tar := range tars[:2] {
			layer := layerdelta.OldLayer{DiffID: oci.DigestOf(tar)}
			for at := random.IntN(500); at < len(tar); {
				size := min(1+random.IntN(3000), len(tar)-at)
				layer.Ranges = append(layer.Ranges, layerdelta.Range{Start: int64(at), Size: int64(size)})
				want = append(want, tar[at:at+size]...)
				at += size + random.IntN(2)*random.IntN(3000)
			}
			sources.Layers = append(sources.Layers, layer)
		}
		sources.Size, sources.RangesSize = int64(len(want)), int64(len(want))
		ranges := source.NewRanges(sources)
		if err := ranges.Spool(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		random.Shuffle(len(tars), func(i, j int) { tars[i], tars[j] = tars[j], tars[i] })
		for _, tar := range tars {
			id := oci.DigestOf(tar)
			if random.IntN(3) == 0 {
				lend(t, ranges, id, tar)
			}
			ranges.Begin([]string{"1/layer.tar", "blobs/sha256/" + id.Hex(), id.Hex() + ".tar"}[random.IntN(3)])
			if _, err := io.Copy(ranges, iotest.HalfReader(bytes.NewReader(tar))); err != nil {
				t.Fatal(err)
			}
			if err := ranges.Commit(id); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(iotest.HalfReader(io.NewSectionReader(ranges.File(), 0, sources.Size)))
		if err != nil || !slices.Equal(got, want) || ranges.Missing() != "" {
			t.Fatalf("round %d: other bytes are there, %v", round, err)
		}
		ranges.Close()
	}
}

func lend(t *testing.T, ranges *source.Ranges, id oci.Digest, tar []byte) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tar")
	if err := os.WriteFile(path, tar, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := ranges.Lend(id, file, int64(len(tar)))
	if err != nil {
		t.Fatal(err)
	}
	if !taken {
		file.Close()
	}
	return taken
}

// What is lent is read to be hashed, and stays where it is.
func TestLentRangesAreNotCopied(t *testing.T) {
	tars := [][]byte{sample.Noise(5000, 1), sample.Noise(5000, 2), sample.Noise(5000, 3)}
	sources := &layerdelta.Sources{Size: 3000, RangesSize: 3000}
	for _, tar := range tars {
		sources.Layers = append(sources.Layers, layerdelta.OldLayer{DiffID: oci.DigestOf(tar),
			Ranges: []layerdelta.Range{{Start: 100, Size: 1000}}})
	}
	ranges := source.NewRanges(sources)
	if err := ranges.Spool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer ranges.Close()
	for _, tar := range tars {
		id := oci.DigestOf(tar)
		if !lend(t, ranges, id, tar) {
			t.Error("it was not taken")
		}
		ranges.Begin("blobs/sha256/" + id.Hex())
		ranges.Write(tar)
		if err := ranges.Commit(id); err != nil {
			t.Error(err)
		}
	}
	if size := ranges.SpoolSize(t); size != 0 {
		t.Errorf("%d bytes were copied", size)
	}
	got, err := io.ReadAll(io.NewSectionReader(ranges.File(), 0, 3000))
	if err != nil || !slices.Equal(got, slices.Concat(tars[0][100:1100], tars[1][100:1100], tars[2][100:1100])) {
		t.Errorf("other bytes are there, %v", err)
	}
}

// A tar whose name tells its digest is put in its own place only, as an engine names it.
func TestRangesOfANamedTar(t *testing.T) {
	tars := [][]byte{sample.Noise(5000, 1), sample.Noise(5000, 2)}
	sources := &layerdelta.Sources{Size: 2000, RangesSize: 2000}
	for _, tar := range tars {
		sources.Layers = append(sources.Layers, layerdelta.OldLayer{DiffID: oci.DigestOf(tar),
			Ranges: []layerdelta.Range{{Start: 0, Size: 1000}}})
	}
	for _, name := range []string{"blobs/sha256/HEX", "HEX.tar"} {
		ranges := source.NewRanges(sources)
		if err := ranges.Spool(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		defer ranges.Close()
		ranges.Begin(strings.Replace(name, "HEX", oci.DigestOf(tars[1]).Hex(), 1))
		ranges.Write(tars[1])
		if got, err := io.ReadAll(io.NewSectionReader(ranges.File(), 0, 1000)); err != nil || !slices.Equal(got, make([]byte, 1000)) {
			t.Errorf("%s: bytes were put where another one's are, %v", name, err)
		}
	}
}

func TestRangesBeyondTheTar(t *testing.T) {
	tar := sample.Noise(1000, 1)
	ranges := source.NewRanges(&layerdelta.Sources{Size: 2, Layers: []layerdelta.OldLayer{
		{DiffID: oci.DigestOf(tar), Ranges: []layerdelta.Range{{Start: 999, Size: 2}}}}})
	if err := ranges.Spool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer ranges.Close()
	ranges.Begin("layer.tar")
	ranges.Write(tar)
	if err := ranges.Commit(oci.DigestOf(tar)); err == nil || ranges.Missing() == "" {
		t.Errorf("got %v", err)
	}
}
