package version_test

import (
	"testing"

	"imgbuild/device/internal/version"
)

// The order of semver.org, section 11, and more of it.
func TestOrder(t *testing.T) {
	ordered := []string{"0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "1.0.0+a", "1.0.0+a.2", "1.0.0+b", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
		"99999999999999999999.0.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			got, ok := version.Compare(a, b)
			if want := sign(i - j); !ok || got != want {
				t.Errorf("%s and %s: %d, %v; want %d", a, b, got, ok, want)
			}
		}
	}
	for _, none := range []string{"", "1", "1.0", "v1.0.0", "latest", "1.0.x", "1.0.0.0", "1..0"} {
		if _, ok := version.Compare(none, "1.0.0"); ok {
			t.Errorf("%q is taken for a version", none)
		}
	}
}

func sign(number int) int { return min(max(number, -1), 1) }
