package filedelta_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"imgbuild/device/internal/memory"
)

// BenchmarkApply decodes the deltas NAME.delta of the folder IMGBUILD_DELTAS against its files NAME.old; without the folder,
// the small ones of the vectors.
func BenchmarkApply(b *testing.B) {
	named := os.Getenv("IMGBUILD_DELTAS")
	if named == "" {
		named = folder
	}
	deltas, _ := filepath.Glob(filepath.Join(named, "*.delta"))
	for _, path := range deltas {
		delta, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		old, err := os.Open(strings.TrimSuffix(path, ".delta") + ".old")
		if err != nil {
			b.Fatal(err)
		}
		info, err := old.Stat()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.TrimSuffix(filepath.Base(path), ".delta"), func(b *testing.B) {
			before, output := processorTime(b), counter(0)
			for b.Loop() {
				var made counter
				err := apply(&made, bytes.NewReader(delta), io.NewSectionReader(old, 0, info.Size()), int64(memory.Default))
				if err != nil {
					b.Fatal(err)
				}
				output += made
			}
			b.ReportMetric(float64(output)/1e6/(processorTime(b)-before).Seconds(), "MB/s")
			heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			metrics.Read(heap)
			b.ReportMetric(float64(heap[0].Value.Uint64()>>20), "MiB")
		})
		old.Close()
	}
}

// processorTime that this process has taken: what others do on the machine counts for nothing.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// FuzzApply has deltas, packed and not, with the old files of the vectors: whatever comes, it ends with an error or with the
// file that the sum at its end names.
func FuzzApply(f *testing.F) {
	files := [][]byte{}
	at := map[string]int{}
	for _, each := range vectors(f) {
		if _, known := at[each.Old]; !known {
			at[each.Old] = len(files)
			files = append(files, contents(f, each.Old))
		}
		f.Add(byte(at[each.Old]), contents(f, each.Delta))
	}
	f.Fuzz(func(t *testing.T, which byte, delta []byte) {
		hash := sha256.New()
		err := apply(hash, bytes.NewReader(delta), bytes.NewReader(files[int(which)%len(files)]), int64(memory.Default))
		if err == nil && !bytes.Equal(hash.Sum(nil), delta[len(delta)-sha256.Size:]) {
			t.Error("another file is taken")
		}
	})
}
