package tardiff_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"imgbuild/device/internal/oci"
)

// Vectors that the other decoder was asked, too: it says what comes out, or that the delta is refused. What makes them
// names their folder.
func TestSharedVectors(t *testing.T) {
	folder := os.Getenv("IMGBUILD_VECTORS")
	if folder == "" {
		t.Skip("IMGBUILD_VECTORS names no folder")
	}
	text, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var shared struct {
		Files map[string]string
		Cases []struct {
			Delta string
			// Result is the digest of what comes out; "" where it is refused, for Because.
			Result, Because string
		}
	}
	if err := json.Unmarshal(text, &shared); err != nil {
		t.Fatal(err)
	}
	old = tree{}
	for path, name := range shared.Files {
		contents, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		old[path] = string(contents)
	}
	made := 0
	for _, each := range shared.Cases {
		stream, err := os.ReadFile(filepath.Join(folder, each.Delta))
		if err != nil {
			t.Fatal(err)
		}
		out, err := rebuild(stream)
		switch {
		case each.Result == "" && err == nil:
			t.Errorf("%s makes %d bytes; the other decoder: %s", each.Delta, len(out), each.Because)
		case each.Result != "" && err != nil:
			t.Errorf("%s: %v; the other decoder makes %s", each.Delta, err, each.Result)
		case each.Result != "" && string(oci.DigestOf([]byte(out))) != each.Result:
			t.Errorf("%s makes other bytes", each.Delta)
		case each.Result != "":
			made++
		}
		if _, scanned := scan(stream, 1<<30); err == nil && scanned != nil {
			t.Errorf("%s: the scan refuses it: %v", each.Delta, scanned)
		}
	}
	t.Logf("%d of %d make something", made, len(shared.Cases))
	if made == 0 || made == len(shared.Cases) {
		t.Error("the vectors are all good, or all bad")
	}
}
