package enginetest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

// PutBlobs has the blobs of containerd's store in a folder, which the containerd below the engine names from then on. It is
// returned.
func (e *Engine) PutBlobs(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(e.folder, "content")
	put := filepath.Join(folder, "blobs/sha256")
	if err := os.MkdirAll(put, 0o755); err != nil {
		t.Fatal(err)
	}
	written := map[oci.Digest]bool{}
	write := func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for digest, bytes := range e.blobs {
			if written[digest] {
				continue
			}
			written[digest] = true
			err := os.WriteFile(filepath.Join(put, digest.Hex()), bytes, 0o644)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // a test may take the folder away
				t.Error(err)
			}
		}
	}
	write()
	e.serveContainerd(t, folder, write)
	return put
}

// serveContainerd that knows where its files are, and nothing else. It writes those that came since before it says so.
func (e *Engine) serveContainerd(t *testing.T, folder string, write func()) {
	listener, err := net.Listen("unix", filepath.Join(e.folder, "c"))
	if err != nil {
		t.Fatal(err)
	}
	export := message(1, "root", 2, folder)
	plugin := message(1, "io.containerd.content.v1", 2, "content", 5, export)
	snapshots := filepath.Join(e.folder, "snapshots")
	if err := os.MkdirAll(snapshots, 0o755); err != nil {
		t.Fatal(err)
	}
	snapshotter := message(1, "io.containerd.snapshotter.v1", 2, "overlayfs", 5, message(1, "root", 2, snapshots))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/containerd.services.introspection.v1.Introspection/Plugins" {
			w.Header().Set("Grpc-Status", "12")
			return
		}
		write()
		w.Header().Set("Trailer", "Grpc-Status")
		answer := message(1, plugin, 1, snapshotter)
		w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer))), answer...))
		w.Header().Set("Grpc-Status", "0")
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

// message is a protocol buffer of fields that hold bytes: a number and the bytes of each.
func message(fields ...any) string {
	var text []byte
	for at := 0; at < len(fields); at += 2 {
		value := fields[at+1].(string)
		text = binary.AppendUvarint(text, uint64(fields[at].(int))<<3|2)
		text = binary.AppendUvarint(text, uint64(len(value)))
		text = append(text, value...)
	}
	return string(text)
}

// PutPacked is Put of an image that was pulled: each of its filesystem layers is compressed in containerd's store.
func (e *Engine) PutPacked(from *sample.Image, tags ...string) string {
	packed := *from
	var manifest oci.Manifest
	json.Unmarshal(from.Manifest, &manifest)
	for at, layer := range from.Layers {
		var text bytes.Buffer
		writer := gzip.NewWriter(&text)
		writer.Write(layer)
		writer.Close()
		e.blobs[oci.DigestOf(text.Bytes())] = text.Bytes()
		manifest.Layers[at] = oci.Descriptor{MediaType: oci.TypeLayerTar + "+gzip", Digest: oci.DigestOf(text.Bytes()),
			Size: int64(text.Len())}
	}
	packed.Manifest, _ = json.Marshal(manifest)
	id := e.Put(&packed, tags...)
	for _, layer := range from.Layers {
		delete(e.blobs, oci.DigestOf(layer))
	}
	return id
}

// PutIndex is Put of an index of several images, the last of which is this platform's; the others' filesystem layers are not there.
func (e *Engine) PutIndex(tag string, of ...*sample.Image) string {
	var index oci.Index
	for _, each := range of {
		index.Manifests = append(index.Manifests, oci.Descriptor{MediaType: oci.TypeManifest, Digest: oci.DigestOf(each.Manifest),
			Size: int64(len(each.Manifest))})
	}
	text, _ := json.Marshal(index)
	mine := of[len(of)-1]
	old := e.Put(mine, tag)
	e.mu.Lock()
	defer e.mu.Unlock()
	id := string(oci.DigestOf(text))
	e.blobs[oci.Digest(id)] = text
	e.images[id], e.tags[tag] = e.images[old], id
	delete(e.images, old)
	return id
}
