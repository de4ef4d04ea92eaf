package main

import (
	"os"
	"time"

	"imgbuild/device/internal/config"
	"imgbuild/device/internal/update"
)

const (
	healthyFor    = 10 * time.Second
	healthTimeout = 2 * time.Minute
)

// serviceOf is what the configuration says of a project, else what a service package of imgbuild brings: its unit, and
// its program, whose `status` exits with 0 while the expected image runs.
func serviceOf(read *config.Config, project string) update.Service {
	given := read.Project(project)
	service := update.Service{
		Restart: given.Restart, HealthCheck: given.HealthCheck, HealthyFor: healthyFor, Timeout: healthTimeout,
	}
	if given.HealthyFor != nil {
		service.HealthyFor = *given.HealthyFor
	}
	if given.Timeout != nil {
		service.Timeout = *given.Timeout
	}
	unit, program := "imgbuild-"+project+".service", "/usr/bin/imgbuild-"+project
	if service.Restart == nil && exists("/run/systemd/system") &&
		(exists("/usr/lib/systemd/system/"+unit) || exists("/etc/systemd/system/"+unit)) {
		service.Restart = []string{"systemctl", "restart", unit}
	}
	if service.HealthCheck == nil && exists(program) {
		service.HealthCheck = []string{program, "status"}
	}
	return service
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
