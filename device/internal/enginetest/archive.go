package enginetest

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

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
