package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/fetch"
	"imgbuild/device/internal/sample"
)

var file = sample.Noise(300_000, 7)

func anything(r io.Reader) error {
	_, err := io.CopyN(io.Discard, r, 100)
	return err
}

func quiet(string, ...any) {}

func contents(t *testing.T, got *os.File) []byte {
	t.Helper()
	defer got.Close()
	if _, err := got.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(got)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// flaky serves the file and breaks each connection off after so many bytes.
func flaky(t *testing.T, each int, change func(w http.ResponseWriter, request int)) *httptest.Server {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("ETag", `"one"`)
		if change != nil {
			change(w, requests)
		}
		served := &cut{w, each}
		http.ServeContent(served, r, "", time.Time{}, bytes.NewReader(file))
		if served.left <= 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("cut")
	}
	p = p[:min(len(p), c.left)]
	c.left -= len(p)
	n, err := c.ResponseWriter.Write(p)
	c.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

func TestCutAndResumed(t *testing.T) {
	server := flaky(t, 120_000, nil)
	notes := 0
	got, err := fetch.Download(context.Background(), server.URL+"/file?token=secret", t.TempDir(), anything,
		func(format string, arguments ...any) { notes++ })
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, got), file) {
		t.Error("other bytes came")
	}
	if notes != 2 {
		t.Errorf("%d notes", notes)
	}
}

func TestChangedMeanwhile(t *testing.T) {
	server := flaky(t, 120_000, func(w http.ResponseWriter, request int) {
		w.Header().Set("ETag", strconv.Quote(strconv.Itoa(request)))
	})
	_, err := fetch.Download(context.Background(), server.URL, t.TempDir(), anything, quiet)
	if err == nil || !strings.Contains(err.Error(), "has changed meanwhile") {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/huge":
			w.Header().Set("Content-Length", "900000000000000000")
		case "/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "0123456789")
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	for path, because := range map[string]string{"/": "403", "/huge": "are free on the disk", "/short": "EOF"} {
		folder := t.TempDir()
		_, err := fetch.Download(context.Background(), server.URL+path+"?token=secret", folder, anything, quiet)
		if err == nil || !strings.Contains(err.Error(), because) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", path, err, because)
		}
		if left, _ := os.ReadDir(folder); len(left) > 0 {
			t.Errorf("%s left %v", path, left)
		}
	}
	if _, err := fetch.Download(context.Background(), "http://127.0.0.1:1/x", t.TempDir(), anything, quiet); err == nil {
		t.Error("a server that is not there")
	}
}

func TestRedirects(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(file) }))
	defer plain.Close()
	asked := 0
	secret := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/plain":
			http.Redirect(w, r, plain.URL+"/file?token=secret", http.StatusFound)
		case "/moved":
			http.Redirect(w, r, "/file", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round?token=secret", http.StatusFound)
		default:
			w.Write(file)
		}
	}))
	defer secret.Close()
	defer fetch.Trust(secret.Client().Transport)()
	got, err := fetch.Download(context.Background(), secret.URL+"/moved", t.TempDir(), anything, quiet)
	if err != nil || !bytes.Equal(contents(t, got), file) {
		t.Fatalf("moved: %v", err)
	}
	for path, because := range map[string]string{"/plain": plain.URL + "/file, which is not encrypted", "/round": "without an end"} {
		asked = 0
		_, err := fetch.Download(context.Background(), secret.URL+path+"?token=secret", t.TempDir(), anything, quiet)
		if err == nil || !strings.Contains(err.Error(), because) || strings.Contains(err.Error(), "token") || asked > 11 {
			t.Errorf("%s: got %v after %d requests", path, err, asked)
		}
	}
}

// What is refused at its beginning is not taken further.
func TestRefusedAtItsBeginning(t *testing.T) {
	folder := t.TempDir()
	refused := errors.New("not signed")
	read := &counting{Reader: bytes.NewReader(file)}
	_, err := fetch.Stream(read, folder, func(r io.Reader) error {
		anything(r)
		return refused
	})
	if !errors.Is(err, refused) || read.count > 1000 {
		t.Errorf("got %v after %d bytes", err, read.count)
	}
}

type counting struct {
	io.Reader
	count int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.count += n
	return n, err
}

func TestStream(t *testing.T) {
	got, err := fetch.Stream(bytes.NewReader(file), t.TempDir(), anything)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, got), file) {
		t.Error("other bytes came")
	}
}
