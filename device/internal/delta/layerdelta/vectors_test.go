package layerdelta_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
)

const folder = "../../../../test/delta/layer-delta/vectors"

type vector struct {
	Name                          string
	Layers                        []string
	Sources, Delta, SHA256, Error string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var list []vector
	if err := json.Unmarshal(contents(t, "vectors.json"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// oldFile is what the ranges hold of these tars, and what members of them unpack to.
func oldFile(sources *layerdelta.Sources, layers map[oci.Digest][]byte) ([]byte, error) {
	var old []byte
	for _, layer := range sources.Layers {
		tar, ok := layers[layer.DiffID]
		if !ok {
			return nil, fmt.Errorf("there is no %s", layer.DiffID)
		}
		for _, each := range layer.Ranges {
			if each.Start+each.Size > int64(len(tar)) {
				return nil, fmt.Errorf("%s is shorter", layer.DiffID)
			}
			old = append(old, tar[each.Start:each.Start+each.Size]...)
		}
	}
	ranges := bytes.NewReader(old)
	for _, each := range sources.Members {
		// A test has no disk whose space was compared with what is declared.
		if sources.Size > 1<<24 {
			return nil, errors.New("it is large")
		}
		var plain bytes.Buffer
		if err := layerdelta.Unpack(&plain, ranges, each); err != nil {
			return nil, err
		}
		old = append(old, plain.Bytes()...)
	}
	return old, nil
}

func rebuild(sourcesText, delta []byte, layers map[oci.Digest][]byte) (out []byte, scanned, err error) {
	sources, err := layerdelta.ReadSources(bytes.NewReader(sourcesText))
	if err != nil {
		return nil, err, err
	}
	old, err := oldFile(sources, layers)
	if err != nil {
		return nil, nil, err
	}
	scanned = layerdelta.Scan(bytes.NewReader(delta), sources, int64(memory.Default), 1<<30)
	var made bytes.Buffer
	err = layerdelta.Rebuild(&made, bytes.NewReader(delta), bytes.NewReader(old), sources, int64(memory.Default))
	return made.Bytes(), scanned, err
}

func TestVectors(t *testing.T) {
	for _, each := range vectors(t) {
		layers := map[oci.Digest][]byte{}
		for _, name := range each.Layers {
			text := contents(t, name)
			layers[oci.DigestOf(text)] = text
		}
		out, scanned, err := rebuild(contents(t, each.Sources), contents(t, each.Delta), layers)
		switch {
		case each.Error != "" && err == nil:
			t.Errorf("%s is taken", each.Name)
		case each.Error == "" && (err != nil || scanned != nil):
			t.Errorf("%s: %v, %v", each.Name, err, scanned)
		case each.Error == "" && oci.DigestOf(out).Hex() != each.SHA256:
			t.Errorf("%s makes another tar", each.Name)
		}
	}
}

func FuzzRebuild(f *testing.F) {
	layers := map[oci.Digest][]byte{}
	for _, each := range vectors(f) {
		for _, name := range each.Layers {
			text := contents(f, name)
			layers[oci.DigestOf(text)] = text
		}
		f.Add(contents(f, each.Sources), contents(f, each.Delta))
	}
	f.Fuzz(func(t *testing.T, sources, delta []byte) {
		_, scanned, err := rebuild(sources, delta, layers)
		if err == nil && scanned != nil {
			t.Errorf("the scan refuses what can be rebuilt: %v", scanned)
		}
	})
}
