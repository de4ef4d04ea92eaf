package filedelta_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"imgbuild/device/internal/memory"
)

// Deltas that the other decoder was asked, too: it says what comes out, or that the delta is refused. What makes them names
// their folder.
func TestSharedVectors(t *testing.T) {
	named := os.Getenv("IMGBUILD_VECTORS")
	if named == "" {
		t.Skip("IMGBUILD_VECTORS names no folder")
	}
	text, err := os.ReadFile(filepath.Join(named, "files.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Old, Delta string
		// Result is the sha256 of what comes out; "" where it is refused, for Because.
		Result, Because string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, each := range cases {
		delta, err := os.ReadFile(filepath.Join(named, each.Delta))
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		err = apply(hash, bytes.NewReader(delta), bytes.NewReader(contents(t, each.Old)), int64(memory.Default))
		switch {
		case each.Result == "" && err == nil:
			t.Errorf("%s makes something; the other decoder: %s", each.Delta, each.Because)
		case each.Result != "" && err != nil:
			t.Errorf("%s: %v; the other decoder makes %s", each.Delta, err, each.Result)
		case each.Result != "" && hex.EncodeToString(hash.Sum(nil)) != each.Result:
			t.Errorf("%s makes other bytes", each.Delta)
		case each.Result != "":
			made++
		}
	}
	t.Logf("%d of %d make something", made, len(cases))
	if made == 0 || made == len(cases) {
		t.Error("the deltas are all good, or all bad")
	}
}
