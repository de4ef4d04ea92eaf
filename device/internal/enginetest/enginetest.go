// Package enginetest is an engine in memory that speaks real HTTP on a Unix socket: as much of it as updates need, with
// either of Docker's two stores, or podman's.
package enginetest

import (
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

// Engine in memory.
type Engine struct {
	// Address for engine.Connect.
	Address string
	// Registry has images by reference.
	Registry map[string]*sample.Image
	// Hook, where set, is asked before each request is carried out; an error is the answer.
	Hook func(method, path string) error
	// WholeOnly has podman refuse archives that lack a filesystem layer.
	WholeOnly bool

	mu     sync.Mutex
	store  engine.Store
	folder string
	images map[string]*image
	tags   map[string]string
	layers map[string][]byte     // classic: by chain of diffIDs
	blobs  map[oci.Digest][]byte // containerd
	// unpacked by chain of diffIDs: where containers get their files, in containerd\'s store.
	unpacked map[string][]byte
	// containers by name: the image that each was made of.
	containers map[string]string
}

type image struct {
	config, manifest []byte
	diffIDs          []oci.Digest
	// driver names folders.
	driver map[string]any
}

// Start an engine that ends with the test.
func Start(t *testing.T, store engine.Store) *Engine {
	t.Helper()
	folder := t.TempDir()
	socket := filepath.Join(folder, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Address: "unix://" + socket, store: store, folder: folder, images: map[string]*image{},
		tags: map[string]string{}, layers: map[string][]byte{}, blobs: map[oci.Digest][]byte{}, containers: map[string]string{},
		unpacked: map[string][]byte{}}
	server := &http.Server{Handler: http.HandlerFunc(e.serve)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return e
}

// Client of the engine.
func (e *Engine) Client() *engine.Client {
	client, err := engine.Connect(e.Address)
	if err != nil {
		panic(err)
	}
	return client
}

// Put an image, as loaded or pulled long ago, and return its ID.
func (e *Engine) Put(from *sample.Image, tags ...string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := e.put(from)
	for _, tag := range tags {
		e.tags[e.called(tag)] = id
	}
	return id
}

func (e *Engine) put(from *sample.Image) string {
	put := &image{config: from.Config, manifest: from.Manifest, diffIDs: from.DiffIDs()}
	for at, layer := range from.Layers {
		e.layers[chain(put.diffIDs[:at+1])] = layer
		e.unpacked[chain(put.diffIDs[:at+1])] = layer
		e.blobs[oci.DigestOf(layer)] = layer
	}
	return e.add(put)
}

// Alter the bytes of a filesystem layer on the engine's disk.
func (e *Engine) Alter(layer oci.Digest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	damage := func(bytes []byte) []byte {
		other := slices.Clone(bytes)
		other[len(other)/2] ^= 1
		return other
	}
	for key, bytes := range e.layers {
		if strings.HasSuffix(key, string(layer)) {
			e.layers[key] = damage(bytes)
		}
	}
	if bytes, ok := e.blobs[layer]; ok {
		e.blobs[layer] = damage(bytes)
	}
}

// Spoil has a filesystem layer, on those below it, count as unpacked, with other bytes: what a power cut leaves.
func (e *Engine) Spoil(ids []oci.Digest, bytes []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.layers[chain(ids)] = bytes
	e.unpacked[chain(ids)] = bytes
}

// Lose the engine's own notes on a filesystem layer that counts as unpacked: the other thing that a power cut leaves.
func (e *Engine) Lose(ids []oci.Digest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.layers[chain(ids)] = nil
	e.unpacked[chain(ids)] = nil
}

// Hold has a container use an image until it is let go.
func (e *Engine) Hold(id string) (letGo func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers["holder"] = id
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.containers, "holder")
	}
}

// Tagged is the ID that a name has; "" for none.
func (e *Engine) Tagged(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tags[e.called(name)]
}

// Unname takes a name away, and leaves the image.
func (e *Engine) Unname(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.tags, e.called(name))
}

// IDs of all images, sorted.
func (e *Engine) IDs() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for id := range e.images {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Containers that were created and not removed.
func (e *Engine) Containers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.containers)
}

func chain(ids []oci.Digest) string {
	parts := make([]string, len(ids))
	for at, id := range ids {
		parts[at] = string(id)
	}
	return strings.Join(parts, " ")
}

func (e *Engine) add(added *image) string {
	id := string(oci.DigestOf(added.config))
	if e.store == engine.Containerd {
		id = string(oci.DigestOf(added.manifest))
		e.blobs[oci.Digest(id)] = added.manifest
		e.blobs[oci.DigestOf(added.config)] = added.config
	}
	e.images[id] = added
	return id
}

func (e *Engine) tagsOf(id string) []string {
	tags := []string{}
	for tag, tagged := range e.tags {
		if tagged == id {
			tags = append(tags, tag)
		}
	}
	return tags
}

func (e *Engine) find(name string) (string, *image) {
	if id, ok := e.tags[name]; ok {
		name = id
	}
	return name, e.images[name]
}

func (e *Engine) lost(of *image) bool {
	for at := range of.diffIDs {
		if layer, known := e.unpacked[chain(of.diffIDs[:at+1])]; known && layer == nil {
			return true
		}
	}
	return false
}

// collect forgets filesystem layers that no image has.
func (e *Engine) collect() {
	used := map[string]bool{}
	for _, each := range e.images {
		for at := range each.diffIDs {
			used[chain(each.diffIDs[:at+1])] = true
		}
	}
	for _, store := range []map[string][]byte{e.layers, e.unpacked} {
		for key := range store {
			if !used[key] {
				delete(store, key)
			}
		}
	}
}
