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

const folder = "../../../../test/delta/codec/vectors"

type vector struct{ Name, Old, Delta, SHA256, Error string }

func vectors(t testing.TB) []vector {
	t.Helper()
	var list []vector
	if err := json.Unmarshal(contents(t, "vectors.json"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVectors(t *testing.T) {
	for _, each := range vectors(t) {
		var out bytes.Buffer
		err := apply(&out, bytes.NewReader(contents(t, each.Delta)), bytes.NewReader(contents(t, each.Old)),
			int64(memory.Default))
		sum := sha256.Sum256(out.Bytes())
		switch {
		case each.Error != "" && err == nil:
			t.Errorf("%s is taken", each.Name)
		case each.Error == "" && err != nil:
			t.Errorf("%s: %v", each.Name, err)
		case each.Error == "" && hex.EncodeToString(sum[:]) != each.SHA256:
			t.Errorf("%s makes another file", each.Name)
		}
	}
}
