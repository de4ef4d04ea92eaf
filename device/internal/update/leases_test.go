package update_test

import (
	"strings"
	"testing"

	"imgbuild/device/internal/update"
)

func TestIsOfContainer(t *testing.T) {
	id, cache := strings.Repeat("0f", 32), "k3v0x4b1p2q9z8w7y6t5s4r3m"
	for _, each := range []struct {
		id        string
		snapshots []string
		is        bool
	}{
		{id, []string{id + "-init-key"}, true},
		{id, []string{id + "-init", id}, true},
		{id, nil, false},
		{id, []string{id, "sha256:" + id}, false},
		{id, []string{id + "-other"}, false},
		{cache, []string{cache}, false}, // as BuildKit has them
		{cache, []string{cache + "-init"}, false},
	} {
		if found := update.IsOfContainer(each.id, each.snapshots); found != each.is {
			t.Errorf("%s %v: %v", each.id, each.snapshots, found)
		}
	}
}
