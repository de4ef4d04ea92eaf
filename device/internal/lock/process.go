package lock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// process tells a process from every other that ever shared a folder with it; src/process/identity.ts writes the same.
type process struct {
	PID int `json:"pid"`
	// Started is in clock ticks after boot: a pid that was given anew is another process.
	Started *string `json:"started"`
	// Place is boot and pid namespace: only in the same one says the pid anything.
	Place string `json:"place"`
}

var self = sync.OnceValue(func() process {
	return process{os.Getpid(), startOf(os.Getpid()), place()}
})

func (p process) runs() bool {
	if p.Started != nil {
		now := startOf(p.PID)
		return now != nil && *now == *p.Started
	}
	err := syscall.Kill(p.PID, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// startOf is field 22 of /proc/PID/stat (proc(5)); the name in parentheses may hold spaces. A zombie has ended.
func startOf(pid int) *string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	fields := strings.Fields(string(text[strings.LastIndex(string(text), ") ")+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return nil
	}
	return &fields[19]
}

func place() string {
	boot, bootErr := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if bootErr != nil || err != nil {
		name, _ := os.Hostname()
		return name
	}
	return strings.TrimSpace(string(boot)) + " " + namespace
}
