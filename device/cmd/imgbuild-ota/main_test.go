package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/enginetest"
	"imgbuild/device/internal/sample"
)

func invoke(t *testing.T, in []byte, arguments ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), arguments, bytes.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestCalls(t *testing.T) {
	for line, because := range map[string]string{
		"":                         "names no command",
		"aply x":                   `no command "aply"`,
		"apply":                    "needs the name of a bundle",
		"apply a b":                `does not take "b"`,
		"apply a --unsigned":       "no option --unsigned",
		"prune --keep 0":           "never removed",
		"status --keep 1":          "belongs to prune",
		"apply a --check":          "belong to update",
		"apply a --from b":         "belong to verify",
		"apply a --packages b":     "belong to verify",
		"update ccai":              "names no url below [ccai]",
		"apply a --memory 1":       "32 at least",
		"apply a --docker tcp://x": "only unix://",
	} {
		code, _, errs := invoke(t, nil, strings.Fields(line)...)
		if code != 2 || !strings.Contains(errs, because) {
			t.Errorf("%q: %d, %q; want %q", line, code, errs, because)
		}
	}
	if code, out, _ := invoke(t, nil, "--help"); code != 0 || !strings.Contains(out, "rollback") {
		t.Errorf("help: %d, %q", code, out)
	}
}

// What is asked is the channel that the configuration names; a signature is judged by the keyring.
func TestUpdate(t *testing.T) {
	device := enginetest.Start(t, engine.Containerd)
	image := sample.NewImage("1", sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")}))
	bundle := sample.Bundle("app", "", "1.0.0", nil, sample.Target{To: image, Reference: "app:1.0.0"})
	sum := sha256.Sum256(bundle)
	var address string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ota.json":
			fmt.Fprintf(w, `{"schema":1,"name":"app","channel":"stable","version":"1.0.0","sequence":1,"issued":"2026-01-01T00:00:00Z",
				"expires":"2999-01-01T00:00:00Z","urls":["%s/{file}"],"images":[],"deltas":[{"from":"none","to":"1.0.0",
				"platform":"linux/amd64","file":"app.ota.tar","size":%d,"sha256":"%x"}]}`, address, len(bundle), sum)
		case "/app.ota.tar":
			w.Write(bundle)
		default:
			w.Write([]byte("no signature"))
		}
	}))
	defer server.Close()
	address = server.URL
	settings := filepath.Join(t.TempDir(), "conf")
	os.WriteFile(settings, []byte("[app]\nurl = "+address+"/ota.json\nchannel = stable\n"), 0o644)
	options := []string{"--state", t.TempDir(), "--docker", device.Address, "--config", settings, "update"}

	if code, _, errs := invoke(t, nil, options...); code != 2 || !strings.Contains(errs, "reading the keyring") {
		t.Errorf("without a keyring: %d, %s", code, errs)
	}
	options = append(options, "--allow-unsigned")
	code, out, errs := invoke(t, nil, append(options, "--check")...)
	want := "app: no release that is known; the channel stable stands on 1.0.0 (number 1, until 2999-01-01)\n  a full bundle: "
	if code != 0 || !strings.HasPrefix(out, want) {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	code, out, errs = invoke(t, nil, append(options, "--check", "--json")...)
	if code != 0 || !strings.HasPrefix(out, `{"projects":[{"name":"app","channel":"stable","version":"1.0.0","sequence":1,`) {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	if code, out, errs := invoke(t, nil, options...); code != 0 || out != "app: 1.0.0 runs now\n" {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	if code, out, errs := invoke(t, nil, options...); code != 0 || out != "app: nothing to do\n" {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

func TestApplyFromStandardInput(t *testing.T) {
	device := enginetest.Start(t, engine.Containerd)
	state := t.TempDir()
	layer := sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")})
	text := sample.Bundle("app", "", "1.0.0", nil, sample.Target{To: sample.NewImage("1", layer), Reference: "app:1"})
	options := []string{"--state", state, "--docker", device.Address}

	if code, _, errs := invoke(t, text, append(options, "apply", "-", "--keyring", "/nonexistent")...); code != 2 {
		t.Errorf("without a keyring: %d, %s", code, errs)
	}
	code, out, errs := invoke(t, text, append(options, "apply", "-", "--allow-unsigned", "--json")...)
	if code != 0 || !strings.HasPrefix(out, `{"schema":1,"name":"app","version":"1.0.0","outcome":"updated","images":[{`) {
		t.Fatalf("%d, %q, %q", code, out, errs)
	}
	code, out, errs = invoke(t, nil, append(options, "status")...)
	if code != 0 || !strings.HasPrefix(out, "app: 1.0.0\n  image     app: sha256:") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	for _, command := range []string{"resume", "prune"} {
		if code, _, errs := invoke(t, nil, append(options, command)...); code != 0 {
			t.Errorf("%s: %s", command, errs)
		}
	}
	if code, _, errs := invoke(t, nil, append(options, "rollback")...); code != 1 || !strings.Contains(errs, "no older release") {
		t.Errorf("rollback: %d, %s", code, errs)
	}
	if code, _, _ := invoke(t, text[:700], append(options, "apply", "-", "--allow-unsigned")...); code != 2 {
		t.Errorf("cut: %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(state, ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(filepath.Join(state, "app/current")); err != nil {
		t.Error(err)
	}
}
