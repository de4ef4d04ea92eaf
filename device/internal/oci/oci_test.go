package oci_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"imgbuild/device/internal/oci"
)

func TestParseDigest(t *testing.T) {
	good := string(oci.DigestOf([]byte("x")))
	if _, err := oci.ParseDigest(good); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "sha256:", good[:70], good + "0", strings.ToUpper(good), "sha512:" + good[7:],
		"sha256:../../" + good[13:]} {
		if _, err := oci.ParseDigest(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestVerifyReader(t *testing.T) {
	expected := oci.Descriptor{Digest: oci.DigestOf([]byte("hello")), Size: 5}
	for text, good := range map[string]bool{"hello": true, "hellO": false, "hell": false, "hello!": false, "": false} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			_, err := io.ReadAll(oci.VerifyReader(wrap(strings.NewReader(text)), expected))
			var mismatch *oci.ErrMismatch
			if good != (err == nil) || !good && !errors.As(err, &mismatch) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	broken := oci.VerifyReader(iotest.ErrReader(io.ErrNoProgress), expected)
	for range 2 {
		if _, err := broken.Read(make([]byte, 1)); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("got %v", err)
		}
	}
}

func TestDescriptors(t *testing.T) {
	var list oci.Descriptors
	for text, length := range map[string]int{`null`: 0, `[]`: 0, `[{"size":1},{"size":2}]`: 2} {
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != length {
			t.Errorf("%s: %v, %v", text, list, err)
		}
	}
	for _, text := range []string{`{}`, `"x"`, `[{"digest":"x"}]`, `[1]`} {
		if err := json.Unmarshal([]byte(text), &list); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
