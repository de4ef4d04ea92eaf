// Package enginetest is an engine in memory that speaks real HTTP on a Unix socket: as much of it as updates need, with
// either of Docker's two stores, or podman's.
package enginetest

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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

func (e *Engine) pull(w http.ResponseWriter, reference string) {
	found := e.Registry[reference]
	if found == nil {
		answer(w, http.StatusOK, map[string]string{"error": "manifest unknown"})
		return
	}
	e.put(found)
	answer(w, http.StatusOK, map[string]string{"status": "Pull complete"})
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

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	if e.Hook != nil {
		if err := e.Hook(r.Method, r.URL.Path); err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
	}
	if r.URL.Path == "/images/load" {
		e.load(w, r)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for at := range parts {
		parts[at], _ = url.PathUnescape(parts[at])
	}
	switch {
	case r.URL.Path == "/info":
		status := [][2]string{{"Backing Filesystem", "extfs"}}
		if e.store == engine.Containerd {
			status = [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}
		}
		answer(w, http.StatusOK, map[string]any{"DockerRootDir": e.folder, "DriverStatus": status, "ServerVersion": "0",
			"Containerd": map[string]string{"Address": filepath.Join(e.folder, "c")}})
	case r.URL.Path == "/version":
		program := map[string]string{"Name": "Engine"}
		if e.store == engine.Podman {
			program["Name"] = "Podman Engine"
		}
		answer(w, http.StatusOK, map[string]any{"Os": "linux", "Arch": "amd64", "Components": []any{program}})
	case r.URL.Path == "/images/create":
		e.pull(w, r.URL.Query().Get("fromImage")+"@"+r.URL.Query().Get("tag"))
	case r.URL.Path == "/images/json":
		list := []map[string]any{}
		for id := range e.images {
			list = append(list, map[string]any{"Id": id, "RepoTags": e.tagsOf(id)})
		}
		answer(w, http.StatusOK, list)
	case parts[0] == "images" && r.Method == http.MethodDelete:
		e.remove(w, parts[1])
	case parts[0] == "images" && len(parts) == 3:
		e.image(w, r, parts[1], parts[2])
	case r.URL.Path == "/containers/create":
		var body struct{ Image string }
		json.NewDecoder(r.Body).Decode(&body)
		id, found := e.find(body.Image)
		if found == nil {
			missing(w, body.Image)
			return
		}
		name := r.URL.Query().Get("name")
		if _, taken := e.containers[name]; taken {
			e.conflict(w, "the container name is in use", "that name is already in use")
			return
		}
		e.containers[name] = id
		answer(w, http.StatusCreated, map[string]string{"Id": name})
	case parts[0] == "containers" && parts[len(parts)-1] == "json":
		answer(w, http.StatusOK, map[string]any{"Id": parts[1]})
	case parts[0] == "containers" && parts[len(parts)-1] == "export":
		e.export(w, e.images[e.containers[parts[1]]])
	case parts[0] == "containers" && r.Method == http.MethodDelete:
		if _, there := e.containers[parts[1]]; !there {
			answer(w, http.StatusNotFound, map[string]string{"message": "No such container"})
			return
		}
		delete(e.containers, parts[1])
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusNotFound, map[string]string{"message": "page not found"})
	}
}

func (e *Engine) image(w http.ResponseWriter, r *http.Request, name, action string) {
	id, found := e.find(name)
	if found == nil {
		missing(w, name)
		return
	}
	if e.lost(found) {
		answer(w, http.StatusInternalServerError, map[string]string{"message": "readlink overlay2: invalid argument"})
		return
	}
	switch action {
	case "json":
		tags := e.tagsOf(id)
		answer(w, http.StatusOK, map[string]any{"Id": id, "RepoTags": tags, "Size": 1, "Parent": e.parentOf(found),
			"GraphDriver": found.driver, "RootFS": map[string]any{"Type": "layers", "Layers": found.diffIDs}})
	case "get":
		e.save(w, found)
	case "tag":
		e.tags[e.tagged(r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag"))] = id
		w.WriteHeader(http.StatusCreated)
	}
}

func (e *Engine) remove(w http.ResponseWriter, name string) {
	id, found := e.find(name)
	if found == nil {
		missing(w, name)
		return
	}
	for _, of := range e.containers {
		if of == id && (name == id || len(e.tagsOf(id)) == 1) {
			answer(w, http.StatusConflict, map[string]string{"message": "image is being used by a container"})
			return
		}
	}
	delete(e.tags, name)
	left := len(e.tagsOf(id))
	if left > 0 && name == id {
		e.conflict(w, "image is referenced in repositories", "unable to delete image by ID with more than one tag")
		return
	}
	if left == 0 {
		delete(e.images, id)
		e.removeParent(found)
		e.collect()
	}
	answer(w, http.StatusOK, []string{})
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

func (e *Engine) export(w http.ResponseWriter, of *image) {
	archive := tar.NewWriter(w)
	for at := range of.diffIDs {
		sample.EachMember(e.unpacked[chain(of.diffIDs[:at+1])], func(name string, contents []byte) {
			archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(contents)), Mode: 0o644})
			archive.Write(contents)
		})
	}
	archive.Close()
}

func (e *Engine) save(w http.ResponseWriter, saved *image) {
	archive := tar.NewWriter(w)
	put := func(name string, contents []byte) {
		archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(contents)), Mode: 0o644})
		archive.Write(contents)
	}
	// The highest first, so that nobody relies on an order.
	for at := len(saved.diffIDs) - 1; at >= 0; at-- {
		switch e.store {
		case engine.Podman:
			put(saved.diffIDs[at].Hex()+".tar", e.layers[chain(saved.diffIDs[:at+1])])
		case engine.Classic:
			put(fmt.Sprintf("%d/VERSION", at), []byte("1.0"))
			put(fmt.Sprintf("%d/layer.tar", at), e.layers[chain(saved.diffIDs[:at+1])])
		case engine.Containerd:
			var manifest oci.Manifest
			json.Unmarshal(saved.manifest, &manifest)
			put("blobs/sha256/"+manifest.Layers[at].Digest.Hex(), e.blobs[manifest.Layers[at].Digest])
		}
	}
	if e.store != engine.Podman {
		put("blobs/sha256/"+oci.DigestOf(saved.manifest).Hex(), saved.manifest)
	}
	put(oci.DigestOf(saved.config).Hex()+".json", saved.config)
	archive.Close()
}

func (e *Engine) load(w http.ResponseWriter, r *http.Request) {
	members := map[string][]byte{}
	archive := tar.NewReader(r.Body)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			members[header.Name], err = io.ReadAll(archive)
		}
		if err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"message": "unexpected EOF"})
			return
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if err := e.take(members); err != nil {
		if e.store == engine.Podman {
			answer(w, http.StatusInternalServerError, map[string]string{"message": "payload does not match: " + err.Error()})
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"error": err.Error()})
		return
	}
	json.NewEncoder(w).Encode(map[string]string{"stream": "Loaded image"})
}

// take a loaded archive as the store does: the classic one by manifest.json, containerd's and podman by the OCI layout.
func (e *Engine) take(members map[string][]byte) error {
	switch e.store {
	case engine.Containerd:
		return e.takeLayout(members)
	case engine.Podman:
		return e.takePodman(members)
	}
	var saved []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(members["manifest.json"], &saved); err != nil || len(saved) != 1 {
		return fmt.Errorf("no manifest.json: %v", err)
	}
	loaded := &image{config: members[saved[0].Config]}
	var config oci.Config
	if err := json.Unmarshal(loaded.config, &config); err != nil {
		return err
	}
	loaded.diffIDs = config.RootFS.DiffIDs
	for at, id := range loaded.diffIDs {
		key := chain(loaded.diffIDs[:at+1])
		if _, known := e.layers[key]; known {
			continue
		}
		layer, ok := members[saved[0].Layers[at]]
		if !ok || oci.DigestOf(layer) != id {
			return fmt.Errorf("layer %s is missing or wrong", id)
		}
		e.layers[key] = layer
	}
	e.add(loaded)
	return nil
}

func (e *Engine) takeLayout(members map[string][]byte) error {
	var index oci.Index
	if members["oci-layout"] == nil || json.Unmarshal(members["index.json"], &index) != nil || len(index.Manifests) != 1 {
		return fmt.Errorf("no OCI layout")
	}
	blob := func(digest oci.Digest) []byte {
		if sent, ok := members["blobs/sha256/"+digest.Hex()]; ok {
			e.blobs[digest] = sent
		}
		return e.blobs[digest]
	}
	loaded := &image{manifest: blob(index.Manifests[0].Digest)}
	var manifest oci.Manifest
	if err := json.Unmarshal(loaded.manifest, &manifest); err != nil {
		return err
	}
	loaded.config = blob(manifest.Config.Digest)
	var config oci.Config
	if err := json.Unmarshal(loaded.config, &config); err != nil {
		return err
	}
	loaded.diffIDs = config.RootFS.DiffIDs
	for _, layer := range manifest.Layers {
		if bytes := blob(layer.Digest); bytes == nil || oci.DigestOf(bytes) != layer.Digest {
			return fmt.Errorf("content %s: not found", layer.Digest)
		}
	}
	for at, layer := range manifest.Layers {
		key := chain(loaded.diffIDs[:at+1])
		if _, known := e.unpacked[key]; !known {
			e.unpacked[key] = e.blobs[layer.Digest]
		}
	}
	e.add(loaded)
	return nil
}

func missing(w http.ResponseWriter, name string) {
	answer(w, http.StatusNotFound, map[string]string{"message": "No such image: " + name})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
