package dpkg

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// leftOut of many devices (path-exclude in dpkg.cfg): nothing reads it.
var leftOut = []string{"doc/", "doc-base/", "gtk-doc/", "help/", "info/", "lintian/", "locale/", "man/"}

// Altered is the first file of a package whose md5 is not the one that the package says, as `dpkg --verify` finds it; "" where
// there is none, or where the package says nothing. Settings do not count, nor what many devices leave out.
func (s System) Altered(ctx context.Context, installed *Installed) (string, error) {
	text, err := os.ReadFile(s.info(installed, "md5sums"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	open, err := s.InstalledFiles(installed)
	if err != nil {
		return "", err
	}
	passed := map[string]bool{}
	for _, each := range conffiles(installed) {
		passed[strings.TrimPrefix(each.name, "/")] = true
	}
	for _, line := range strings.Split(string(text), "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		if !ok || passed[name] || isLeftOut(name) {
			continue
		}
		same, err := hasSum(ctx, open, name, sum)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if err != nil {
			return "", err
		}
		if !same {
			return "/" + name, nil
		}
	}
	return "", nil
}

func isLeftOut(name string) bool {
	below, ok := strings.CutPrefix(name, "usr/share/")
	if !ok {
		return false
	}
	for _, each := range leftOut {
		if strings.HasPrefix(below, each) {
			return true
		}
	}
	return false
}

func hasSum(ctx context.Context, open func(string) (io.ReadCloser, error), name, sum string) (bool, error) {
	file, err := open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { file.Close() })() // what is read may have gigabytes
	hash := md5.New()
	if _, err := io.Copy(hash, file); err != nil {
		return false, err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)) == sum, nil
}
