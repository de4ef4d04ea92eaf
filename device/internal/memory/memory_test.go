package memory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDefault(t *testing.T) {
	if Default.Window() != 1<<23 {
		t.Errorf("the window is %d", Default.Window())
	}
}

func TestAvailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meminfo")
	os.WriteFile(path, []byte("MemTotal:  1000 kB\nMemAvailable:     512 kB\n"), 0o600)
	if got, err := available(path); err != nil || got != 512*1024 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := Budget(1 << 62).Check(); err == nil || !strings.Contains(err.Error(), "MiB are left") {
		t.Errorf("got %v", err)
	}
}
