package engine_test

import (
	"testing"

	"imgbuild/device/internal/engine"
)

func TestSplitReference(t *testing.T) {
	for reference, want := range map[string][2]string{
		"app":                       {"app", "latest"},
		"app:1":                     {"app", "1"},
		"localhost:5000/app":        {"localhost:5000/app", "latest"},
		"localhost:5000/a/app:1-rc": {"localhost:5000/a/app", "1-rc"},
		"app:1@sha256:00":           {"app", "1"},
	} {
		if repository, tag := engine.SplitReference(reference); repository != want[0] || tag != want[1] {
			t.Errorf("%s is %s and %s", reference, repository, tag)
		}
	}
}
