// Package config reads the configuration of a device: lines of `key = value`, those of one project below `[project]`.
package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"imgbuild/device/internal/failure"
)

// Path where the package puts it.
const Path = "/etc/imgbuild-ota/imgbuild-ota.conf"

// Config of a device.
type Config struct {
	// Keyring with the public keys that may sign updates.
	Keyring string
	// Keep is how many releases stay, the one that runs included.
	Keep int
	// Project settings by name; "" holds what counts for all.
	projects map[string]*Project
}

// Project is how one project's service is restarted and looked at. Fields that are nil were not given.
type Project struct {
	Restart     []string
	HealthCheck []string
	HealthyFor  *time.Duration
	Timeout     *time.Duration
	// Packages says which of a release's host packages updates look after: installed, all or none; "" where it was not given.
	Packages string
	// URLs of ota.json, in the order to try them, and the channel that it must be of.
	URLs    []string
	Channel string
}

// Default is what counts without a file.
func Default() *Config {
	return &Config{Keyring: "/etc/imgbuild-ota/keyring.gpg", Keep: 2, projects: map[string]*Project{}}
}

// Project finds what was given for a project: its own section before what counts for all.
func (c *Config) Project(name string) Project {
	var merged Project
	for _, each := range []string{"", name} {
		given := c.projects[each]
		if given == nil {
			continue
		}
		if given.Restart != nil {
			merged.Restart = given.Restart
		}
		if given.HealthCheck != nil {
			merged.HealthCheck = given.HealthCheck
		}
		if given.HealthyFor != nil {
			merged.HealthyFor = given.HealthyFor
		}
		if given.Timeout != nil {
			merged.Timeout = given.Timeout
		}
		if given.Packages != "" {
			merged.Packages = given.Packages
		}
		if given.URLs != nil {
			merged.URLs = given.URLs
		}
		if given.Channel != "" {
			merged.Channel = given.Channel
		}
	}
	return merged
}

// Following are the projects that follow a channel, by name.
func (c *Config) Following() []string {
	var names []string
	for name, project := range c.projects {
		if project.URLs != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Read reads a file. A missing one is the default where it need not be there.
func Read(path string, required bool) (*Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !required {
		return Default(), nil
	}
	if err != nil {
		return nil, failure.Input("reading "+path, err.Error(), "give a readable file by --config")
	}
	return parse(path, string(text))
}

func parse(path, text string) (*Config, error) {
	config := Default()
	section := ""
	for at, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(name, "]") {
			section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, wrong(path, at, "it is neither `key = value` nor `[project]`")
		}
		if err := config.set(section, strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return nil, wrong(path, at, err.Error())
		}
	}
	for _, name := range config.Following() {
		if config.projects[name].Channel == "" {
			return nil, failure.Input("reading "+path, fmt.Sprintf("[%s] has a url and no channel", name), "see docs/device.md for the keys")
		}
	}
	return config, nil
}

func wrong(path string, line int, because string) error {
	return failure.Input(fmt.Sprintf("reading line %d of %s", line+1, path), because, "see docs/device.md for the keys")
}

func (c *Config) set(section, key, value string) (err error) {
	if value == "" && key != "restart" && key != "health-check" {
		return fmt.Errorf("%q has no value", key)
	}
	switch key {
	case "keyring", "keep":
		if section != "" {
			return fmt.Errorf("%q counts for all projects: it stands above the first [project]", key)
		}
		if key == "keyring" {
			c.Keyring = value
			return nil
		}
		if c.Keep, err = strconv.Atoi(value); err != nil || c.Keep < 1 {
			return fmt.Errorf("%q is no number of releases: 1 or more", value)
		}
		return nil
	}
	project := c.projects[section]
	if project == nil {
		project = &Project{}
		c.projects[section] = project
	}
	switch key {
	case "restart":
		project.Restart = words(value)
	case "health-check":
		project.HealthCheck = words(value)
	case "healthy-for":
		project.HealthyFor, err = duration(value)
	case "health-timeout":
		project.Timeout, err = duration(value)
	case "packages":
		if !slices.Contains([]string{"installed", "all", "none"}, value) {
			return fmt.Errorf("%q says nothing of packages: installed, all or none", value)
		}
		project.Packages = value
	case "url", "channel":
		if section == "" {
			return fmt.Errorf("%q is that of one project: it stands below [PROJECT]", key)
		}
		if key == "channel" {
			project.Channel = value
			return nil
		}
		project.URLs = strings.Fields(value)
		for _, each := range project.URLs {
			if !strings.HasPrefix(each, "https://") && !strings.HasPrefix(each, "http://") {
				return fmt.Errorf("%q is no http or https URL", each)
			}
		}
	default:
		return fmt.Errorf("there is no key %q", key)
	}
	return err
}

// words of a command: no shell reads it. No words turn it off.
func words(value string) []string {
	if fields := strings.Fields(value); fields != nil {
		return fields
	}
	return []string{}
}

func duration(value string) (*time.Duration, error) {
	parsed, err := time.ParseDuration(value)
	if err != nil || parsed < 0 {
		return nil, fmt.Errorf("%q is no duration, such as 30s or 2m", value)
	}
	return &parsed, nil
}
