package channel_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/oci"
)

var (
	issued = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	sum    = strings.Repeat("0", 64)
	config = string(oci.DigestOf([]byte("config")))
)

func document(change func(map[string]any)) []byte {
	value := map[string]any{
		"schema": 1, "name": "ccai", "channel": "stable", "version": "1.2.0", "sequence": 7,
		"issued": issued.Format(time.RFC3339), "expires": issued.Add(90 * 24 * time.Hour).Format(time.RFC3339),
		"urls":   []string{"https://example.com/v{version}/{file}", "https://mirror.example.com/{file}?x={version}"},
		"images": []any{}, "deltas": []any{}, "later": "ignored",
	}
	change(value)
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

func parse(t *testing.T, change func(map[string]any)) *channel.Document {
	t.Helper()
	d, err := channel.Parse(document(change), "ccai", "stable", "https://example.com/ota.json")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func delta(from, to string, size int) map[string]any {
	return map[string]any{"from": from, "to": to, "platform": "linux/amd64", "file": from + "_" + to, "size": size, "sha256": sum}
}

func TestRefusedDocuments(t *testing.T) {
	set := func(key string, value any) func(map[string]any) {
		return func(d map[string]any) { d[key] = value }
	}
	changed := func(key string, value any) func(map[string]any) {
		one := delta("1.0.0", "1.2.0", 1)
		one[key] = value
		return set("deltas", []any{one})
	}
	for because, change := range map[string]func(map[string]any){
		`for the project "other"`:             set("name", "other"),
		`of the channel "beta"`:               set("channel", "beta"),
		"of the form 2":                       set("schema", 2),
		"no version":                          set("version", ""),
		"no sequence":                         set("sequence", 0),
		"from when until when":                set("expires", issued.Format(time.RFC3339)),
		"no ota.json":                         set("issued", "yesterday"),
		`"../../etc/passwd" has no file name`: changed("file", "../../etc/passwd"),
		"has no size or sum":                  changed("size", -1),
		"no http or https URL":                set("urls", []string{"https://example.com/{file}", "file:///etc/{file}"}),
		`"1.1.0_1.2.0" has no size or sum`:    set("deltas", []any{delta("1.0.0", "1.1.0", 1<<53-1), delta("1.1.0", "1.2.0", 1)}),
		"no name with a digest": set("images", []any{map[string]any{"image": "app", "platform": "linux/amd64", "config": config,
			"reference": "example.com/app:latest", "size": 1}}),
	} {
		_, err := channel.Parse(document(change), "ccai", "stable", "the document")
		if err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("got %v, want %q", err, because)
		}
	}
}

func TestAccept(t *testing.T) {
	seen := &channel.Seen{Version: "1.1.0", Sequence: 6, Issued: issued.Add(-time.Hour)}
	day := 24 * time.Hour
	for _, each := range []struct {
		name      string
		seen      *channel.Seen
		installed string
		now       time.Time
		back      bool
		because   string
	}{
		{"the first", nil, "", issued, false, ""},
		{"a higher number", seen, "1.1.0", issued, false, ""},
		{"replayed", &channel.Seen{Sequence: 8}, "1.1.0", issued, false, "number 7, and this device has seen number 8"},
		{"replayed, where rollback asks", &channel.Seen{Sequence: 8}, "1.1.0", issued, true, ""},
		{"two of one number", &channel.Seen{Sequence: 7, Digest: "other"}, "1.1.0", issued, false, "two different"},
		{"frozen", seen, "1.1.0", issued.Add(90 * day), false, "expired on 2027-02-19T12:00:00Z"},
		{"frozen, where rollback asks", seen, "1.1.0", issued.Add(90 * day), true, "expired"},
		{"on its last day", seen, "1.1.0", issued.Add(90*day - time.Second), false, ""},
		{"a clock that stands years before", seen, "1.1.0", issued.Add(-3000 * day), false, ""},
		{"a clock that stands years before, and later ones seen", &channel.Seen{Sequence: 6, Issued: issued.Add(91 * day)}, "",
			issued.Add(-3000 * day), false, "expired"},
		{"a lower version", seen, "1.3.0", issued, false, "1.2.0, which is lower than 1.3.0"},
		{"a lower version, where rollback asks", seen, "1.3.0", issued, true, ""},
		{"a pre-release of what is installed", nil, "1.2.0-rc.1", issued, false, ""},
		{"an installed version that is none", seen, "latest", issued, false, ""},
	} {
		d := parse(t, func(map[string]any) {})
		accepted, err := d.Accept(each.seen, each.installed, each.now, each.back)
		switch {
		case each.because == "" && (err != nil || accepted.Sequence != 7 || !accepted.Issued.Equal(issued)):
			t.Errorf("%s: %+v, %v", each.name, accepted, err)
		case each.because != "" && (err == nil || !strings.Contains(err.Error(), each.because)):
			t.Errorf("%s: got %v, want %q", each.name, err, each.because)
		}
	}
}

// A registry has a bundle under the digest of its bytes.
func TestAddressByDigest(t *testing.T) {
	d := channel.Document{URLs: []string{"https://ghcr.io/v2/acme/ccai/service/blobs/sha256:{sha256}"}}
	sum := strings.Repeat("0f", 32)
	if got := d.Addresses(&channel.Delta{SHA256: sum}); got[0] != "https://ghcr.io/v2/acme/ccai/service/blobs/sha256:"+sum {
		t.Error(got)
	}
}

func TestAddresses(t *testing.T) {
	d := parse(t, func(map[string]any) {})
	got := d.Addresses(&channel.Delta{To: "1.2.0+b 5", File: "a+b.tar"})
	want := []string{"https://example.com/v1.2.0%2Bb%205/a%2Bb.tar", "https://mirror.example.com/a%2Bb.tar?x=1.2.0%2Bb%205"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCheapestWay(t *testing.T) {
	pull := func(size int) map[string]any {
		return map[string]any{"image": "app:edge", "platform": "linux/amd64", "config": config, "size": size,
			"reference": "registry.example.com/acme/app@" + config}
	}
	deltas := []any{delta("1.0.0", "1.1.0", 10), delta("1.1.0", "1.2.0", 10), delta("1.0.0", "1.2.0", 30),
		delta("1.1.0", "1.0.0", 1), delta("none", "1.1.0", 400), delta("none", "1.2.0", 500)}
	other := delta("1.0.0", "1.2.0", 1)
	other["platform"] = "linux/arm64"
	for _, each := range []struct {
		name    string
		from    []string
		without []string
		pull    []any
		want    string
	}{
		{"several in a row", []string{"1.0.0"}, nil, nil, "1.0.0_1.1.0 1.1.0_1.2.0: 20"},
		{"one that was tried", []string{"1.0.0"}, []string{"1.1.0_1.2.0"}, nil, "1.0.0_1.2.0: 30"},
		{"from the nearest of several", []string{"1.0.0", "1.1.0"}, nil, nil, "1.1.0_1.2.0: 10"},
		{"a full one", []string{"0.9.0"}, nil, nil, "none_1.1.0 1.1.0_1.2.0: 410"},
		{"nothing is there", nil, []string{"none_1.1.0"}, nil, "none_1.2.0: 500"},
		{"a pull that is dearer", []string{"1.0.0"}, nil, []any{pull(1000)}, "1.0.0_1.1.0 1.1.0_1.2.0: 20"},
		{"a pull that is cheaper", []string{"1.0.0"}, nil, []any{pull(9), pull(9)}, "pull of 2: 18"},
		{"a pull that is the only way", nil, []string{"none_1.1.0", "none_1.2.0"}, []any{pull(1000)}, "pull of 1: 1000"},
		{"the release itself", []string{"1.2.0", "1.0.0"}, nil, nil, "1.0.0_1.1.0 1.1.0_1.2.0: 20"},
		{"no way", []string{"0.9.0"}, []string{"none_1.1.0", "none_1.2.0"}, nil, "none"},
	} {
		d := parse(t, func(value map[string]any) {
			value["deltas"] = append([]any{other}, deltas...)
			if each.pull != nil {
				value["images"] = each.pull
			}
		})
		way := d.Cheapest("linux/amd64", each.from, func(delta *channel.Delta) bool { return slices.Contains(each.without, delta.File) }, true)
		if got := describe(way); got != each.want {
			t.Errorf("%s: got %s, want %s", each.name, got, each.want)
		}
	}
}

// As many releases in a row as a document can name.
func TestCheapestWayOfManySteps(t *testing.T) {
	const count = 20_000
	d := &channel.Document{Version: fmt.Sprint(count)}
	for at := range count {
		d.Deltas = append(d.Deltas, channel.Delta{From: fmt.Sprint(at), To: fmt.Sprint(at + 1), Platform: "linux/amd64", Size: 1})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	way := d.Cheapest("linux/amd64", []string{"0"}, func(*channel.Delta) bool { return false }, false)
	runtime.ReadMemStats(&after)
	if way == nil || len(way.Deltas) != count || way.Size != count {
		t.Fatalf("got %+v", way)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
		t.Errorf("it took %d bytes", took)
	}
}

func describe(way *channel.Way) string {
	if way == nil {
		return "none"
	}
	if way.Deltas == nil {
		return fmt.Sprintf("pull of %d: %d", len(way.Pull), way.Size)
	}
	var files []string
	for _, each := range way.Deltas {
		files = append(files, each.File)
	}
	return fmt.Sprintf("%s: %d", strings.Join(files, " "), way.Size)
}
