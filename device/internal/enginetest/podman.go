package enginetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
)

// takePodman unpacks every filesystem layer, from the archive, or from the layer that has its digest as diffID.
func (e *Engine) takePodman(members map[string][]byte) error {
	var index oci.Index
	var manifest oci.Manifest
	var config oci.Config
	blob := func(digest oci.Digest) []byte { return members["blobs/sha256/"+digest.Hex()] }
	if members["oci-layout"] == nil || json.Unmarshal(members["index.json"], &index) != nil || len(index.Manifests) != 1 {
		return fmt.Errorf("no OCI layout")
	}
	loaded := &image{manifest: blob(index.Manifests[0].Digest)}
	if err := json.Unmarshal(loaded.manifest, &manifest); err != nil {
		return err
	}
	loaded.config = blob(manifest.Config.Digest)
	if err := json.Unmarshal(loaded.config, &config); err != nil {
		return err
	}
	loaded.diffIDs = config.RootFS.DiffIDs
	made := map[string][]byte{}
	for at, layer := range manifest.Layers {
		bytes := blob(layer.Digest)
		if bytes == nil && !e.WholeOnly {
			bytes = e.byDiffID(layer.Digest)
		}
		if bytes == nil || oci.DigestOf(bytes) != loaded.diffIDs[at] {
			return fmt.Errorf("reading blob %s: no such file", layer.Digest)
		}
		made[chain(loaded.diffIDs[:at+1])] = bytes
	}
	for key, bytes := range made {
		if _, known := e.layers[key]; !known {
			e.layers[key], e.unpacked[key] = bytes, bytes
		}
	}
	e.add(loaded)
	return nil
}

func (e *Engine) byDiffID(id oci.Digest) []byte {
	for key, bytes := range e.layers {
		if strings.HasSuffix(key, string(id)) {
			return bytes
		}
	}
	return nil
}

// called is what podman makes of a name without a registry when it loads an image.
func (e *Engine) called(name string) string {
	if e.store == engine.Podman && !strings.Contains(name, "imgbuild.invalid/") {
		return "localhost/" + name
	}
	return name
}

// conflict as Docker tells it, or podman, which gives it the status of any error.
func (e *Engine) conflict(w http.ResponseWriter, message, cause string) {
	if e.store == engine.Podman {
		answer(w, http.StatusInternalServerError, map[string]string{"message": message, "cause": cause})
		return
	}
	answer(w, http.StatusConflict, map[string]string{"message": message})
}

// tagged is what podman makes of a name without a registry that it is told to give.
func (e *Engine) tagged(name string) string {
	first, _, _ := strings.Cut(name, "/")
	if e.store == engine.Podman && first != "localhost" && !strings.Contains(first, ".") {
		return "docker.io/" + name
	}
	return name
}

// parentOf is the image that has the same filesystem layers but for some on top, as podman tells it: without sha256.
func (e *Engine) parentOf(of *image) string {
	for id, each := range e.images {
		count := len(each.diffIDs)
		if e.store == engine.Podman && count < len(of.diffIDs) && slices.Equal(each.diffIDs, of.diffIDs[:count]) {
			return strings.TrimPrefix(id, "sha256:")
		}
	}
	return ""
}

// removeParent as podman 4.3 does it with an image that has no name.
func (e *Engine) removeParent(of *image) {
	if id := "sha256:" + e.parentOf(of); len(e.tagsOf(id)) == 0 {
		delete(e.images, id)
	}
}
