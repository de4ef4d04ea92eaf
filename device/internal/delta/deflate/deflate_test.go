package deflate_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"imgbuild/device/internal/delta/deflate"
)

const folder = "../../../../test/delta/deflate/vectors"

func contents(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func deflated(t testing.TB, text []byte, profile, step int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := deflate.NewWriter(&out, profile)
	if err != nil {
		t.Fatal(err)
	}
	writeAll(t, w, text, step)
	return out.Bytes()
}

func writeAll(t testing.TB, w *deflate.Writer, text []byte, step int) {
	t.Helper()
	for len(text) > 0 {
		n, err := w.Write(text[:min(step, len(text))])
		if err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// What was packed before leaves nothing behind.
func TestReset(t *testing.T) {
	for _, profile := range []int{1, 9, 22, 33, 41} {
		w, err := deflate.NewWriter(io.Discard, profile)
		if err != nil {
			t.Fatal(err)
		}
		writeAll(t, w, contents(t, "mixture"), 4093)
		for _, name := range []string{"short", "text"} {
			var out bytes.Buffer
			w.Reset(&out)
			writeAll(t, w, contents(t, name), 70_001)
			if !bytes.Equal(out.Bytes(), deflated(t, contents(t, name), profile, 70_001)) {
				t.Errorf("%s in the profile %d is another stream the second time", name, profile)
			}
		}
	}
}

func TestVectors(t *testing.T) {
	var vectors []struct {
		File    string
		Profile int
		SHA256  string
	}
	if err := json.Unmarshal(contents(t, "vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	for at, each := range vectors {
		sum := sha256.Sum256(deflated(t, contents(t, each.File), each.Profile, 1+at*4093))
		if hex.EncodeToString(sum[:]) != each.SHA256 {
			t.Errorf("%s in the profile %d is another stream", each.File, each.Profile)
		}
	}
}

func TestUnknownProfile(t *testing.T) {
	for _, profile := range []int{0, 10, 15, 16, 26, 32, 42, 48, 49, 255} {
		if deflate.Known(profile) == nil {
			t.Errorf("%d is taken", profile)
		}
	}
}

// FuzzWriter: whatever is written comes out again when it is unpacked, by another reader.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("abcabcabc"), uint8(6), uint16(2), uint16(9000))
	f.Add(contents(f, "short"), uint8(41), uint16(700), uint16(40000))
	f.Fuzz(func(t *testing.T, text []byte, profile uint8, step, repeats uint16) {
		if deflate.Known(int(profile)) != nil || len(text) > 1<<12 {
			t.Skip()
		}
		long := bytes.Repeat(text, 1+int(repeats)%200)
		out := deflated(t, long, int(profile), 1+int(step))
		back, err := io.ReadAll(flate.NewReader(bytes.NewReader(out)))
		if err != nil || !bytes.Equal(back, long) {
			t.Errorf("%d bytes come out as %d: %v", len(long), len(back), err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	text := bytes.Repeat(contents(b, "mixture"), 8)
	for _, profile := range []int{6, 9, 41} {
		b.Run(string(rune('0'+profile/16))+"."+string(rune('0'+profile%16)), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for range b.N {
				deflated(b, text, profile, 1<<16)
			}
		})
	}
}
