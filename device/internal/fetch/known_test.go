package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/fetch"
	"imgbuild/device/internal/sample"
)

func known(addresses ...string) *fetch.Known {
	sum := sha256.Sum256(file)
	return &fetch.Known{Addresses: addresses, Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:])}
}

// serve contents, and count the bytes that are asked for.
func serve(t *testing.T, text []byte, ranges bool) (address string, sent *int) {
	sent = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ranges {
			r.Header.Del("Range")
		}
		http.ServeContent(&counted{w, sent}, r, "", time.Time{}, bytes.NewReader(text))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/file?token=secret", sent
}

type counted struct {
	http.ResponseWriter
	sent *int
}

func (c *counted) Write(p []byte) (int, error) {
	*c.sent += len(p)
	return c.ResponseWriter.Write(p)
}

func TestKnown(t *testing.T) {
	other := sample.Noise(len(file), 9)
	good, _ := serve(t, file, true)
	wrong, _ := serve(t, other, true)
	short, _ := serve(t, file[:1000], true)
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	cut := flaky(t, 120_000, nil)
	for name, each := range map[string]struct {
		addresses []string
		// there is what an earlier call left.
		there   []byte
		because string
	}{
		"whole":                           {[]string{good}, nil, ""},
		"cut and resumed":                 {[]string{cut.URL}, nil, ""},
		"from the second server":          {[]string{missing.URL, wrong, short, good}, nil, ""},
		"begun by an earlier call":        {[]string{good}, file[:200_000], ""},
		"begun with something else":       {[]string{good}, other[:200_000], ""},
		"complete, with something else":   {[]string{good}, other, ""},
		"longer than it is":               {[]string{good}, append(bytes.Clone(file), 1), ""},
		"begun with something else twice": {[]string{wrong, good}, other[:200_000], ""},
		"another file":                    {[]string{wrong}, nil, "another sha256"},
		"a file of another size":          {[]string{short}, nil, "a file of 1000 bytes, not of 300000"},
		"a part of another size":          {[]string{short}, file[:500], "a file of 1000 bytes, not of 300000"},
		"nowhere":                         {[]string{missing.URL}, nil, "404"},
		"no address":                      {nil, nil, "no address"},
		"all reasons":                     {[]string{missing.URL, short}, nil, "404 Not Found; downloading"},
	} {
		folder := t.TempDir()
		k := known(each.addresses...)
		if each.there != nil {
			os.WriteFile(k.Place(folder), each.there, 0o644)
		}
		got, err := k.Fetch(context.Background(), folder, quiet)
		switch {
		case each.because != "" && (err == nil || !strings.Contains(err.Error(), each.because) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: got %v, want %q", name, err, each.because)
		case each.because == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case each.because == "" && !bytes.Equal(contents(t, got), file):
			t.Errorf("%s: other bytes came", name)
		}
	}
}

// What has come is not asked for again, by whichever process; a server without parts sends it again.
func TestKnownGoesOn(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		address, sent := serve(t, file, ranges)
		folder := t.TempDir()
		k := known(address)
		os.WriteFile(k.Place(folder), file[:250_000], 0o644)
		got, err := k.Fetch(context.Background(), folder, quiet)
		if err != nil || !bytes.Equal(contents(t, got), file) {
			t.Fatalf("parts %v: %v", ranges, err)
		}
		if want := map[bool]int{true: 50_000, false: 300_000}[ranges]; *sent != want {
			t.Errorf("parts %v: %d bytes were sent", ranges, *sent)
		}
		if _, err := k.Fetch(context.Background(), folder, quiet); err != nil || *sent > 300_000 {
			t.Errorf("again: %v, %d bytes", err, *sent)
		}
	}
}

// A server that sends no parts, and breaks off at the same place each time, is given up.
func TestKnownNoFurther(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Content-Length", strconv.Itoa(len(file)))
		w.Write(file[:120_000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := known(server.URL).Fetch(ctx, t.TempDir(), quiet); err == nil || ctx.Err() != nil || requests > 7 {
		t.Errorf("got %v after %d requests", err, requests)
	}
}

// A link where the download would lie leads nowhere.
func TestKnownBehindLink(t *testing.T) {
	address, _ := serve(t, file, true)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	k := known(address)
	if err := os.Symlink(elsewhere, k.Place(folder)); err != nil {
		t.Fatal(err)
	}
	got, err := k.Fetch(context.Background(), folder, quiet)
	if err != nil || !bytes.Equal(contents(t, got), file) {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(elsewhere); string(text) != "kept" {
		t.Errorf("the other file has %d bytes", len(text))
	}
}

func TestDocument(t *testing.T) {
	address, _ := serve(t, file, true)
	if got, err := fetch.Document(context.Background(), address, 300_000, quiet); err != nil || !bytes.Equal(got, file) {
		t.Error(err)
	}
	if _, err := fetch.Document(context.Background(), address, 299_999, quiet); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}
