package packagedelta_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/delta/packagedelta"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/source"
)

const folder = "../../../../test/delta/package-delta/vectors"

type vector struct {
	From, To, Delta, SHA256 string
	Size                    int64
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func vectors(t testing.TB) (list []vector) {
	t.Helper()
	if err := json.Unmarshal(read(t, "vectors.json"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// files of a version of the package that the vectors are for, as test/delta/package-delta/vector-files.ts makes them.
func files(version string) map[string]string {
	var text strings.Builder
	for at := range 3000 {
		of := ""
		if at == 1500 {
			of = " of version " + version
		}
		fmt.Fprintf(&text, "line %d%s\n", at, of)
	}
	return map[string]string{
		"usr/lib/app/text": text.String(),
		"usr/lib/app/" + strings.Repeat("long/", 20) + "name": "all the same in each of them: " + text.String()[:999],
		"DEBIAN/md5sums": "0123456789abcdef0123456789abcdef  usr/lib/app/" + version + "\n",
	}
}

func rebuild(t testing.TB, delta []byte, files map[string]string) ([]byte, error) {
	made, err := packagedelta.Read(bytes.NewReader(delta))
	if err != nil {
		return nil, err
	}
	ranges := source.NewRanges(made.Sources)
	if made.Sources.Size > 1<<20 {
		return nil, errors.New("a test has no disk whose space was compared with what is declared")
	}
	if err := ranges.Spool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer ranges.Close()
	ranges.Begin("")
	hash := sha256.New()
	err = made.WriteInstalled(io.MultiWriter(ranges, hash), func(path string) (io.ReadCloser, error) {
		text, ok := files[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(text)), nil
	})
	if err != nil {
		return nil, err
	}
	if err := ranges.Commit(oci.DigestOfSum(hash.Sum(nil))); err != nil {
		return nil, err
	}
	if ranges.Missing() != "" {
		return nil, errors.New("the tar of installed files is another one")
	}
	if err := ranges.Unpack(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = made.Rebuild(&limited{&out, made.Size()}, ranges.File(), int64(memory.Default))
	return out.Bytes(), err
}

// limited ends what goes on and on.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errors.New("it is larger than it says")
	}
	return l.w.Write(p)
}

func TestVectors(t *testing.T) {
	for _, each := range vectors(t) {
		delta := read(t, each.Delta)
		out, err := rebuild(t, delta, files(each.From))
		if err != nil || int64(len(out)) != each.Size || oci.DigestOf(out).Hex() != each.SHA256 {
			t.Errorf("%s: %d bytes, %v", each.Delta, len(out), err)
		}
		made, err := packagedelta.Read(bytes.NewReader(delta))
		if err != nil || made.Size() != each.Size {
			t.Fatal(made, err)
		}
		if err := made.Scan(int64(memory.Default)); err != nil {
			t.Error(err)
		}
		for because, bad := range map[string][]byte{"cut off": delta[:len(delta)-1], "something follows": append(bytes.Clone(delta), 0)} {
			made, err := packagedelta.Read(bytes.NewReader(bad))
			if err != nil {
				t.Fatal(err)
			}
			if err := made.Scan(int64(memory.Default)); err == nil || !strings.Contains(err.Error(), because) {
				t.Errorf("%s, wanted: %v", because, err)
			}
		}
		var altered *packagedelta.AlteredError
		if _, err := rebuild(t, delta, files("9")); !errors.As(err, &altered) {
			t.Errorf("got %v", err)
		}
	}
}

// A damaged delta is an error, or makes no more than it says; its digest tells. One that is cut off is always an error.
func TestDamaged(t *testing.T) {
	each := vectors(t)[0]
	good := read(t, each.Delta)
	for at := 0; at < len(good); at += 5 {
		if _, err := rebuild(t, good[:at], files(each.From)); err == nil {
			t.Errorf("it is good when it is cut off at byte %d", at)
		}
		bad := bytes.Clone(good)
		bad[at] ^= 0x11
		made, err := packagedelta.Read(bytes.NewReader(bad))
		if err != nil {
			continue
		}
		if out, err := rebuild(t, bad, files(each.From)); err == nil && int64(len(out)) != made.Size() {
			t.Errorf("with another byte %d it makes %d bytes, and says %d", at, len(out), made.Size())
		}
	}
}
