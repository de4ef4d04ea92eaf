package sample

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// SplitTar puts the files of a tar into a folder, and returns the list of all the rest, as Docker's classic store keeps it.
func SplitTar(text []byte, folder string) []byte {
	var list bytes.Buffer
	position := 0
	put := func(entry map[string]any) {
		entry["position"] = position
		position++
		must(json.NewEncoder(&list).Encode(entry))
	}
	in := bytes.NewReader(text)
	archive, done := tar.NewReader(in), 0
	for {
		header, err := archive.Next()
		if err == io.EOF {
			put(map[string]any{"type": 2, "payload": text[done:]})
			return list.Bytes()
		}
		must(err)
		at := len(text) - in.Len()
		put(map[string]any{"type": 2, "payload": text[done:at]})
		done = at + int(header.Size)
		file := map[string]any{"type": 1, "size": header.Size, "payload": []byte("a sum")}
		if utf8.ValidString(header.Name) {
			file["name"] = header.Name
		} else {
			file["name_raw"] = []byte(header.Name)
		}
		put(file)
		if header.Typeflag == tar.TypeReg {
			path := filepath.Join(folder, header.Name)
			must(os.MkdirAll(filepath.Dir(path), 0o755))
			must(os.WriteFile(path, text[at:done], 0o644))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
