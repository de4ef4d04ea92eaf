package main

import (
	"bytes"
	"context"
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
