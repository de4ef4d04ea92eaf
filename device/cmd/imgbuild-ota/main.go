// Imgbuild-ota updates the container images of a device with bundles that `imgbuild ota diff` makes. It needs Docker or
// podman, and nothing else. docs/device.md says what is promised.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"imgbuild/device/internal/failure"
)

const usage = `Usage: imgbuild-ota COMMAND

apply FILE|URL|-        put the release of a bundle in place, or go on where that was interrupted
update [NAME]           ask the channel what to run, and put that in place; --check tells what it would do
verify FILE             check signature, format and every byte of a bundle; change nothing
status [NAME]           what runs, what is kept, what was interrupted
rollback [NAME]         put the release back that ran before
resume [NAME]           finish or undo what was interrupted; for the start of the device
prune [NAME] --keep N   remove the images of all but the last N releases

--keyring FILE       public keys that may sign
--allow-unsigned     take bundles without a look at their signature
--config FILE        default: /etc/imgbuild-ota/imgbuild-ota.conf
--state DIR          default: /var/lib/imgbuild
--docker ADDRESS     unix://PATH; default: DOCKER_HOST, else /var/run/docker.sock, else /run/podman/podman.sock
--memory MIB         what the program may take; default: 64
--from ARCHIVE       with verify: apply it to the old images, too, which docker save has written
--packages DIR       with verify: make packages that are sent as deltas, too, from the old .deb files there
--check              with update: change nothing
--rollback           with update: take an older ota.json and a lower version, too
--again              with update: take a version from which this device went back
--json               one document on stdout

Exit codes: 0 done; 1 it failed; 2 the call, the configuration or the bundle is wrong.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, arguments []string, in io.Reader, out, errs io.Writer) int {
	call, err := parseCall(arguments)
	if err == nil && call.help {
		fmt.Fprint(out, usage)
		return 0
	}
	if err == nil {
		debug.SetMemoryLimit(call.budget.Heap())
		err = call.do(ctx, in, out, errs)
	}
	return report(ctx, err, errs)
}

func report(ctx context.Context, err error, errs io.Writer) int {
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(errs, "imgbuild-ota: stopped; `imgbuild-ota resume`, or the same call, goes on")
		return 1
	}
	var told *failure.Failure
	if !errors.As(err, &told) {
		fmt.Fprintf(errs, "imgbuild-ota: %s\n", err)
		return 1
	}
	fmt.Fprintf(errs, "imgbuild-ota: %s\n", told)
	if told.Fix != "" {
		fmt.Fprintf(errs, "  %s\n", told.Fix)
	}
	if told.Input {
		return 2
	}
	return 1
}
