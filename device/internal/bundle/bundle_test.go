package bundle_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/compression"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/source"
	"imgbuild/device/internal/tardiff"
)

// vectors are outputs of the public oci-delta; test/fixtures/oci-delta/README.md.
const vectors = "../../../test/fixtures/oci-delta"

func isDelta(mediaType string) bool { return mediaType == tardiff.MediaType }

func open(t *testing.T, name string) (*bundle.Bundle, []bundle.Image) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.New(bytes.NewReader(text), int64(len(text)), name)
	if err != nil {
		t.Fatal(err)
	}
	images, err := b.Images(isDelta)
	if err != nil {
		t.Fatal(err)
	}
	return b, images
}

func TestVectors(t *testing.T) {
	for name, deltas := range map[string]int{"delta.oci-delta.tar": 1, "delta-pax.oci-delta.tar": 2, "same.oci-delta.tar": 0} {
		t.Run(name, func(t *testing.T) {
			b, images := open(t, name)
			if len(images) != 1 {
				t.Fatalf("%d images", len(images))
			}
			codec := tardiff.New(memory.Default)
			files := source.NewFiles(memory.Default)
			found := 0
			for _, layer := range images[0].Layers {
				if layer.Kind == bundle.Reused {
					continue
				}
				found++
				if layer.Kind == bundle.Delta {
					if err := codec.Scan(blob(t, b, layer), 1<<30, files.Want); err != nil {
						t.Fatal(err)
					}
				}
			}
			if found != deltas {
				t.Errorf("%d filesystem layers are carried, want %d", found, deltas)
			}
			readOld(t, files)
			for _, layer := range images[0].Layers {
				if layer.Kind == bundle.Reused {
					continue
				}
				var out bytes.Buffer
				if layer.Kind == bundle.Whole {
					plain, err := compression.Undo(blob(t, b, layer), memory.Default)
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(&out, plain)
				} else if err := codec.Rebuild(&out, blob(t, b, layer), files); err != nil {
					t.Fatal(err)
				}
				if got := oci.DigestOf(out.Bytes()); got != layer.DiffID {
					t.Errorf("rebuilt %s, want %s", got, layer.DiffID)
				}
			}
		})
	}
}

func blob(t *testing.T, b *bundle.Bundle, layer bundle.Layer) io.Reader {
	t.Helper()
	r, err := b.Blob(layer.Blob)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readOld gathers files from the image that the vectors start from, as an oci-archive has it.
func readOld(t *testing.T, files *source.Files) {
	t.Helper()
	if err := files.Spool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	text, err := os.ReadFile(filepath.Join(vectors, "old.oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]byte{}
	sample.EachMember(text, func(name string, contents []byte) { members[name] = contents })
	manifest := sample.ManifestOf(members)
	for at, layer := range manifest.Layers {
		plain, err := compression.Undo(bytes.NewReader(members["blobs/sha256/"+layer.Digest.Hex()]), memory.Default)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.Add(plain); err != nil {
			t.Fatal(err)
		}
		files.Commit(at)
	}
}

// What is spent on which file is for people: no device reads it, whatever it says.
func TestAccountIsPassedOver(t *testing.T) {
	old := sample.NewImage("1", sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")}))
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("b")})
	accounts := []oci.Descriptor{
		{MediaType: "application/vnd.imgbuild.account.v1+zstd", Digest: oci.DigestOf([]byte("account")), Size: 7},
		{MediaType: "application/vnd.imgbuild.account.v9", Digest: oci.DigestOf([]byte("missing")), Size: 1 << 50},
	}
	text := sample.Bundle("app", "1", "2", nil, sample.Target{
		From: old, To: sample.NewImage("2", layer), Reference: "app:2", Sources: []byte("sources"),
		LayerDeltas: map[oci.Digest][]byte{oci.DigestOf(layer): []byte("delta")}, Accounts: accounts,
	})
	b, err := bundle.New(bytes.NewReader(text), int64(len(text)), "file")
	if err != nil {
		t.Fatal(err)
	}
	images, err := b.Images(func(mediaType string) bool { return mediaType == layerdelta.MediaType })
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 || len(images[0].Layers) != 1 || images[0].Layers[0].Kind != bundle.Delta || images[0].Sources == nil {
		t.Errorf("got %+v", images)
	}
}

func TestRefused(t *testing.T) {
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")})
	good := sample.Bundle("app", "1", "2", nil, sample.Target{To: sample.NewImage("2", layer), Reference: "app:2"})
	replaced := func(old, new string) []byte { return bytes.ReplaceAll(good, []byte(old), []byte(new)) }
	entry := func(name, contents string) sample.Entry { return sample.Entry{Name: name, Contents: []byte(contents)} }
	cases := []struct {
		name    string
		bytes   []byte
		because string
	}{
		{"empty", nil, "oci-layout is missing"},
		{"not a tar", []byte(strings.Repeat("x", 2048)), "no bundle, or damaged"},
		{"cut", good[:len(good)-3000], "cut off"},
		{"no index", sample.Tar(entry("oci-layout", "{}")), "index.json is missing"},
		{"index is no JSON", sample.Tar(entry("oci-layout", "{}"), entry("index.json", "[")), "cannot be read"},
		{"index names nothing", sample.Tar(entry("oci-layout", "{}"), entry("index.json", "{}")), "names 0 deltas"},
		{"two members of one name", sample.Tar(entry("oci-layout", "{}"), entry("oci-layout", "{}")), "two members"},
		{"a link", sample.Tar(sample.Entry{Name: "index.json", Link: "/etc/passwd"}), "no plain file"},
		{"a large index", sample.Tar(entry("oci-layout", "{}"), entry("index.json", strings.Repeat(" ", 5<<20))), "5242880 bytes"},
		{"a long name", sample.Tar(entry(strings.Repeat("x", 300), "")), "a name of 300 bytes"},
		{"too many descriptors", sample.Tar(entry("oci-layout", "{}"),
			entry("index.json", `{"manifests":[`+strings.Repeat("{},", 5000)+`{}]}`)), "more than 2048 descriptors"},
		{"another digest in the index", replaced(`"digest":"sha256:`, `"digest":"sha512:`), "no sha256 digest"},
		{"a path for a digest", replaced(`"digest":"sha256:`, `"digest":"../6:..`), "no sha256 digest"},
		{"a blob was altered", replaced(`"os":"linux"`, `"os":"minix"`), "whose digest is"},
	}
	for _, each := range cases {
		t.Run(each.name, func(t *testing.T) {
			b, err := bundle.New(bytes.NewReader(each.bytes), int64(len(each.bytes)), "file")
			if err == nil {
				_, err = b.Images(isDelta)
			}
			if err == nil || !strings.Contains(err.Error(), each.because) {
				t.Errorf("got %v, want %q", err, each.because)
			}
		})
	}
}

// A bundle with one byte that is another, or that ends early, is refused, or means the same.
func TestEveryByte(t *testing.T) {
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")})
	good := sample.Bundle("app", "1", "2", nil, sample.Target{To: sample.NewImage("2", layer), Reference: "app:2"})
	index, _, err := bundle.ReadHead(bytes.NewReader(good), "file")
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) error {
		b, err := bundle.New(bytes.NewReader(text), int64(len(text)), "file")
		if err != nil {
			return err
		}
		if !bytes.Equal(b.Index, index) {
			return io.ErrUnexpectedEOF // the signature's business
		}
		images, err := b.Images(isDelta)
		if err != nil {
			return err
		}
		for _, layer := range images[0].Layers {
			r, err := b.Blob(layer.Blob)
			if err != nil {
				return err
			}
			if got, err := io.ReadAll(r); err == nil && oci.DigestOf(got) != layer.Descriptor.Digest {
				t.Fatal("other bytes came through")
			}
		}
		return nil
	}
	if err := read(good); err != nil {
		t.Fatal(err)
	}
	for at := range good {
		altered := bytes.Clone(good)
		altered[at] ^= 0x41
		read(altered)
		read(good[:at])
	}
}

func FuzzBundle(f *testing.F) {
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")})
	f.Add(sample.Bundle("app", "1", "2", nil, sample.Target{To: sample.NewImage("2", layer), Reference: "app:2"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		bundle.ReadHead(bytes.NewReader(text), "file")
		b, err := bundle.New(bytes.NewReader(text), int64(len(text)), "file")
		if err == nil {
			b.Images(isDelta)
		}
	})
}
