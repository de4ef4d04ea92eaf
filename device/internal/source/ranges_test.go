package source_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
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
		sources.Size = int64(len(want))
		ranges := source.NewRanges(sources)
		if err := ranges.Spool(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		random.Shuffle(len(tars), func(i, j int) { tars[i], tars[j] = tars[j], tars[i] })
		for _, tar := range tars {
			id := oci.DigestOf(tar)
			ranges.Begin([]string{"1/layer.tar", "blobs/sha256/" + id.Hex()}[random.IntN(2)])
			if _, err := io.Copy(ranges, iotest.HalfReader(bytes.NewReader(tar))); err != nil {
				t.Fatal(err)
			}
			if err := ranges.Commit(id); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(io.NewSectionReader(ranges.File(), 0, sources.Size))
		if err != nil || !slices.Equal(got, want) || ranges.Missing() != "" {
			t.Fatalf("round %d: other bytes are there, %v", round, err)
		}
		ranges.Close()
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
