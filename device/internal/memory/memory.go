// Package memory divides what this program may use: every buffer that grows with its input has a limit here.
package memory

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"imgbuild/device/internal/failure"
)

const mebi = 1 << 20

// Budget is the most memory that the program may take, in bytes.
type Budget int64

// Default is enough for every bundle that imgbuild makes.
const Default Budget = 64 * mebi

// Window is the most history that a zstd stream may ask for: 8 MiB of the default 64. Decoders hold it about twice.
func (b Budget) Window() uint64 { return uint64(b / 8) }

// Sources is the most old files that one image may be made from; each takes about 60 bytes.
func (b Budget) Sources() int { return int(b / 256) }

// Heap is where the garbage collector begins to hurry, which leaves room for the program itself and its stacks.
func (b Budget) Heap() int64 { return int64(b) * 3 / 4 }

// Check compares the budget with what the machine has left.
func (b Budget) Check() error {
	available, err := available("/proc/meminfo")
	if err != nil || available >= int64(b) {
		return nil // a machine that does not tell is not refused
	}
	return failure.Operation("looking at the memory", fmt.Sprintf("%d MiB are needed, and %d MiB are left",
		b/mebi, available/mebi), "stop what uses it, and try again")
}

// available reads MemAvailable (proc_meminfo(5)), in bytes.
func available(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "MemAvailable:")
		if !ok {
			continue
		}
		kibi, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
		return kibi * 1024, err
	}
	return 0, fmt.Errorf("%s does not tell", path)
}
