package containerd_test

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/containerd"
)

// Written by hand, as protoc encodes them: a plugin with a type, an ID and what it exports.
const (
	overlay  = "\x0a\x35\x0a\x1cio.containerd.snapshotter.v1\x12\x09overlayfs\x2a\x0a\x0a\x04root\x12\x02/o"
	content  = "\x0a\x37\x0a\x18io.containerd.content.v1\x12\x07content\x2a\x12\x0a\x04root\x12\x0a/c/content"
	relative = "\x0a\x36\x0a\x18io.containerd.content.v1\x12\x07content\x2a\x11\x0a\x04root\x12\x09c/content"
	nowhere  = "\x0a\x23\x0a\x18io.containerd.content.v1\x12\x07content"
)

func TestFolders(t *testing.T) {
	s := &service{answers: map[string]string{"Plugins": overlay + content}}
	folders, err := s.connect(t).Folders(t.Context())
	if err != nil || folders.Content != "/c/content" || !slices.Equal(folders.Snapshots, []string{"/o"}) {
		t.Errorf("%q, %v", folders, err)
	}
	want := "moby Plugins \x0a\x1etype==io.containerd.content.v1\x0a\x22type==io.containerd.snapshotter.v1"
	if len(s.asked) != 1 || s.asked[0] != want {
		t.Errorf("asked %q", s.asked)
	}
	for _, answer := range []string{"", overlay, nowhere, relative} {
		_, err := (&service{answers: map[string]string{"Plugins": answer}}).connect(t).Folders(t.Context())
		if !errors.Is(err, containerd.ErrNoContent) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

func TestPatience(t *testing.T) {
	path := filepath.Join(t.TempDir(), "silent.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := containerd.Connect(path, "moby")
	defer client.Close()
	client.SetPatience(20 * time.Millisecond)
	if _, err := client.Folders(t.Context()); err == nil || !strings.Contains(err.Error(), "it has not answered for 20ms") {
		t.Errorf("got %v", err)
	}
}
