package tardiff_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/tardiff"
)

type tree map[string]string

func (t tree) Open(path string) (delta.File, error) {
	contents, ok := t[path]
	if !ok {
		return nil, errors.New("no such file")
	}
	return strings.NewReader(contents), nil
}

var old = tree{"etc/a": "0123456789", "bin/b": strings.Repeat("b", 1000)}

func rebuild(stream []byte) (string, error) {
	var out bytes.Buffer
	err := tardiff.New(memory.Default).Rebuild(&out, bytes.NewReader(stream), old)
	return out.String(), err
}

func scan(stream []byte, limit int64) (map[string]int64, error) {
	ends := map[string]int64{}
	err := tardiff.New(memory.Default).Scan(bytes.NewReader(stream), limit, func(path string, end int64) error {
		ends[path] = max(ends[path], end)
		return nil
	})
	return ends, err
}

func ops() *sample.Operations { return &sample.Operations{} }

func TestOperations(t *testing.T) {
	stream := ops().Data([]byte("<")).Open("/etc/./a").Copy(2).Seek(8).Copy(2).Open("etc/a").Seek(1).Add([]byte{0, 1, 255}).
		Open("bin/b").Copy(3).Data([]byte(">")).TarDiff()
	got, err := rebuild(stream)
	if want := "<0189132" + "bbb>"; err != nil || got != want {
		t.Errorf("rebuilt %q, %v; want %q", got, err, want)
	}
	ends, err := scan(stream, 12)
	if err != nil || len(ends) != 2 || ends["etc/a"] != 10 || ends["bin/b"] != 3 {
		t.Errorf("scanned %v, %v", ends, err)
	}
}

func TestRefused(t *testing.T) {
	cases := []struct {
		name    string
		stream  []byte
		because string
		// rebuilt only: what an old file has is not known to Scan
		late bool
	}{
		{"not a tar-diff", []byte("tardis"), "no tar-diff", false},
		{"empty", nil, "no tar-diff", false},
		{"version 2", []byte("tardf2\n\x00"), `version "tardf2"`, false},
		{"no zstd", []byte("tardf1\n\x00nonsense"), "cannot be unpacked", false},
		{"cut stream", ops().Data(sample.Noise(1000, 1)).TarDiff()[:500], "cut off", false},
		{"unknown operation", ops().Op(5, 1).TarDiff(), "operation 5", false},
		{"ends in a number", ops().Op(2, 1<<20).TarDiff()[:0], "no tar-diff", false},
		{"ends in data", ops().Op(0, 4, 'a').TarDiff(), "ends inside", false},
		{"ends in a path", ops().Op(1, 4, 'a').TarDiff(), "ends inside", false},
		{"path escape", ops().Open("../etc/passwd").TarDiff(), "reads from the path", false},
		{"path escape inside", ops().Open("a/../../b").TarDiff(), "reads from the path", false},
		{"path with NUL", ops().Open("a\x00b").TarDiff(), "reads from the path", false},
		{"path of the root", ops().Open("/").TarDiff(), "reads from the path", false},
		{"empty path", ops().Op(1, 0).TarDiff(), "path of 0 bytes", false},
		{"path that is too long", ops().Op(1, 4097).TarDiff(), "path of 4097 bytes", false},
		{"number beyond 2^53", ops().Open("etc/a").Op(4, 1<<53).TarDiff(), "too large", false},
		{"number beyond 2^64", append([]byte("tardf1\n\x00"), sample.Zstd([]byte("\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 1024)...), "too large", false},
		{"seek before open", ops().Seek(1).TarDiff(), "before it opens", false},
		{"copy before open", ops().Copy(1).TarDiff(), "before it opens", false},
		{"add before open", ops().Add([]byte("a")).TarDiff(), "before it opens", false},
		{"copy overflow", ops().Open("etc/a").Seek(1<<53 - 1).Copy(1<<53 - 1).TarDiff(), "too large", false},
		{"larger than said", ops().Data(make([]byte, 2000)).TarDiff(), "larger than the bundle says", false},
		{"copies larger than said", ops().Open("bin/b").Copy(999).Seek(0).Copy(999).TarDiff(), "larger than the bundle says", false},
		{"copies for ever", ops().Open("bin/b").Op(2, 1<<52).TarDiff(), "larger than the bundle says", false},
		{"nothing for ever", append([]byte("tardf1\n\x00"), sample.Zstd(make([]byte, 4<<20), 1024)...), "put nothing out", false},
		{"too much history", append([]byte("tardf1\n\x00"), sample.Zstd(make([]byte, 100), 16<<20)...), "16 MiB of history, and 8 MiB", false},
		{"old file too short", ops().Open("etc/a").Copy(11).TarDiff(), "which has 10", true},
		{"no such old file", ops().Open("etc/b").TarDiff(), "no such file", true},
	}
	for _, each := range cases {
		t.Run(each.name, func(t *testing.T) {
			if !each.late {
				if _, err := scan(each.stream, 1500); err == nil || !strings.Contains(err.Error(), each.because) {
					t.Errorf("scanned: %v; want %q", err, each.because)
				}
				return
			}
			if _, err := rebuild(each.stream); err == nil || !strings.Contains(err.Error(), each.because) {
				t.Errorf("rebuilt: %v; want %q", err, each.because)
			}
		})
	}
}

// A delta that can be rebuilt was scanned without complaint, and reads no further than the scan said.
func FuzzOperations(f *testing.F) {
	f.Add(ops().Data([]byte("x")).Open("etc/a").Copy(4).Seek(2).Add([]byte{1}).Bytes())
	f.Add(ops().Open("../a").Bytes())
	f.Add(ops().Open("etc/a").Op(2, 1<<60).Bytes())
	f.Add([]byte{4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, operations []byte) {
		const limit = 1 << 16
		stream := append([]byte("tardf1\n\x00"), sample.Zstd(operations, 1024)...)
		ends, scanned := scan(stream, limit)
		var out bytes.Buffer
		seen := watched{ends: map[string]int64{}}
		err := tardiff.New(memory.Default).Rebuild(&delta.LimitedWriter{W: &out, Left: limit}, bytes.NewReader(stream), seen)
		if err == nil && scanned != nil {
			t.Fatalf("rebuilt %d bytes of what the scan refuses: %v", out.Len(), scanned)
		}
		for path, end := range seen.ends {
			if scanned == nil && end > ends[path] {
				t.Fatalf("reads %s up to %d; the scan said %d", path, end, ends[path])
			}
		}
	})
}

// watched files note how far they are read.
type watched struct{ ends map[string]int64 }

func (w watched) Open(path string) (delta.File, error) {
	file, err := old.Open(path)
	if err != nil {
		return nil, err
	}
	return &watchedFile{file, path, w.ends}, nil
}

type watchedFile struct {
	delta.File
	path string
	ends map[string]int64
}

func (w *watchedFile) ReadAt(p []byte, at int64) (int, error) {
	w.ends[w.path] = max(w.ends[w.path], at+int64(len(p)))
	return w.File.ReadAt(p, at)
}

// Whatever the bytes, a decoder ends, without more memory than it may take.
func FuzzStream(f *testing.F) {
	f.Add(ops().Data([]byte("x")).Open("etc/a").Copy(4).TarDiff())
	f.Add([]byte("tardf1\n\x00(\xb5/\xfd"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		scan(stream, 1<<16)
		tardiff.New(memory.Default).Rebuild(&delta.LimitedWriter{W: io.Discard, Left: 1 << 16}, bytes.NewReader(stream), old)
	})
}
