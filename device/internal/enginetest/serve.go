package enginetest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"imgbuild/device/internal/engine"
)

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

func (e *Engine) pull(w http.ResponseWriter, reference string) {
	found := e.Registry[reference]
	if found == nil {
		answer(w, http.StatusOK, map[string]string{"error": "manifest unknown"})
		return
	}
	e.put(found)
	answer(w, http.StatusOK, map[string]string{"status": "Pull complete"})
}

func missing(w http.ResponseWriter, name string) {
	answer(w, http.StatusNotFound, map[string]string{"message": "No such image: " + name})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
