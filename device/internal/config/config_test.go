package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/config"
)

func read(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Read(path, true)
}

func TestRead(t *testing.T) {
	got, err := read(t, `# a comment
keyring = /etc/keys.gpg
keep=3
healthy-for = 5s

[ccai]
restart = systemctl restart ccai.service
health-timeout = 2m
[other]
restart =
`)
	if err != nil {
		t.Fatal(err)
	}
	if got.Keyring != "/etc/keys.gpg" || got.Keep != 3 {
		t.Errorf("got %+v", got)
	}
	ccai, other, third := got.Project("ccai"), got.Project("other"), got.Project("third")
	if !slices.Equal(ccai.Restart, []string{"systemctl", "restart", "ccai.service"}) || *ccai.Timeout != 2*time.Minute ||
		*ccai.HealthyFor != 5*time.Second {
		t.Errorf("ccai is %+v", ccai)
	}
	if other.Restart == nil || len(other.Restart) > 0 || third.Restart != nil {
		t.Errorf("turned off is %#v, not given %#v", other.Restart, third.Restart)
	}
}

func TestFollowing(t *testing.T) {
	got, err := read(t, "[b]\nurl = https://one/ota.json http://two/ota.json\nchannel = stable\n[a]\nrestart =\n")
	if err != nil {
		t.Fatal(err)
	}
	if b := got.Project("b"); !slices.Equal(got.Following(), []string{"b"}) || b.Channel != "stable" ||
		!slices.Equal(b.URLs, []string{"https://one/ota.json", "http://two/ota.json"}) {
		t.Errorf("got %v, %+v", got.Following(), b)
	}
}

func TestWrong(t *testing.T) {
	for text, because := range map[string]string{
		"keep = 0":                   "line 1",
		"\nkeep = many":              "line 2",
		"keeep = 2":                  `no key "keeep"`,
		"keep":                       "neither",
		"[a]\nkeep = 2":              "above the first",
		"health-timeout = soon":      "no duration",
		"health-timeout = -1s":       "no duration",
		"keyring =":                  "no value",
		"[ccai]\nhealth = /bin/true": `no key "health"`,
		"url = https://x/ota.json":   "below [PROJECT]",
		"[a]\nurl = ftp://x":         "no http or https URL",
		"[a]\nurl = https://x":       "a url and no channel",
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("%q: got %v, want %q", text, err, because)
		}
	}
	if _, err := config.Read("/nonexistent/conf", true); err == nil {
		t.Error("a missing file that was named")
	}
	if got, err := config.Read("/nonexistent/conf", false); err != nil || got.Keep != 2 {
		t.Errorf("a missing file that need not be there: %v", err)
	}
}
