package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"imgbuild/device/internal/config"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/state"
)

// call is a command line, checked.
type call struct {
	command       string
	arguments     []string
	help          bool
	json          bool
	keyring       string
	allowUnsigned bool
	config        string
	state         string
	docker        string
	keep          int
	check         bool
	back          bool
	again         bool
	from          string
	packages      string
	budget        memory.Budget
}

// operands says how many each command takes.
var operands = map[string]struct{ least, most int }{
	"apply": {1, 1}, "update": {0, 1}, "verify": {1, 1}, "status": {0, 1}, "rollback": {0, 1}, "resume": {0, 1}, "prune": {0, 1},
}

func wrongCall(because string) error {
	return failure.Input("reading the command line", because, "see `imgbuild-ota --help`")
}

func parseCall(arguments []string) (*call, error) {
	c := &call{}
	flags := flag.NewFlagSet("imgbuild-ota", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&c.json, "json", false, "")
	flags.StringVar(&c.keyring, "keyring", "", "")
	flags.BoolVar(&c.allowUnsigned, "allow-unsigned", false, "")
	flags.StringVar(&c.config, "config", "", "")
	flags.StringVar(&c.state, "state", state.Root, "")
	flags.StringVar(&c.docker, "docker", "", "")
	flags.IntVar(&c.keep, "keep", 0, "")
	flags.BoolVar(&c.check, "check", false, "")
	flags.BoolVar(&c.back, "rollback", false, "")
	flags.BoolVar(&c.again, "again", false, "")
	flags.StringVar(&c.from, "from", "", "")
	flags.StringVar(&c.packages, "packages", "", "")
	mebi := flags.Int("memory", int(memory.Default>>20), "")
	// Options may stand before and behind the names.
	for rest := arguments; ; {
		if err := flags.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.help = true
				return c, nil
			}
			return nil, wrongCall(strings.ReplaceAll(err.Error(), "flag provided but not defined: -", "there is no option --"))
		}
		if flags.NArg() == 0 {
			break
		}
		c.arguments = append(c.arguments, flags.Arg(0))
		rest = flags.Args()[1:]
	}
	if len(c.arguments) == 0 {
		return nil, wrongCall("it names no command")
	}
	c.command, c.arguments = c.arguments[0], c.arguments[1:]
	if c.command == "help" {
		c.help = true
		return c, nil
	}
	takes, known := operands[c.command]
	switch {
	case !known:
		return nil, wrongCall(fmt.Sprintf("there is no command %q", c.command))
	case len(c.arguments) < takes.least:
		return nil, wrongCall(c.command + " needs the name of a bundle")
	case len(c.arguments) > takes.most:
		return nil, wrongCall(fmt.Sprintf("%s does not take %q", c.command, c.arguments[takes.most]))
	case *mebi < 32:
		return nil, wrongCall("--memory is 32 at least")
	case c.keep < 0 || c.command == "prune" && c.keep == 0 && slices.Contains(arguments, "--keep"):
		return nil, wrongCall("--keep is 1 at least: the release that runs is never removed")
	case c.keep > 0 && c.command != "prune":
		return nil, wrongCall("--keep belongs to prune")
	case (c.from != "" || c.packages != "") && c.command != "verify":
		return nil, wrongCall("--from and --packages belong to verify")
	case (c.check || c.back || c.again) && c.command != "update":
		return nil, wrongCall("--check, --rollback and --again belong to update")
	}
	c.budget = memory.Budget(*mebi) << 20
	return c, nil
}

// configuration reads the file that was named, or the usual one where it is there.
func (c *call) configuration() (*config.Config, error) {
	path, required := c.config, true
	if path == "" {
		path, required = config.Path, false
	}
	read, err := config.Read(path, required)
	if err != nil {
		return nil, err
	}
	if c.keyring != "" {
		read.Keyring = c.keyring
	}
	return read, nil
}
