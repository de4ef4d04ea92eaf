package dpkg

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"

	"imgbuild/device/internal/failure"
)

// controlFolder stands for what is in the control archive of a package, as for dpkg-deb.
const controlFolder = "DEBIAN/"

// InstalledFiles of a package, by their paths below the root; DEBIAN/NAME is what dpkg keeps of the control archive.
func (s System) InstalledFiles(installed *Installed) (open func(path string) (io.ReadCloser, error), err error) {
	diverted, err := s.diversions(installed.Name)
	if err != nil {
		return nil, err
	}
	return func(name string) (io.ReadCloser, error) {
		if member, ok := strings.CutPrefix(name, controlFolder); ok {
			if !slices.Contains(controlMembers, member) {
				return nil, fs.ErrNotExist
			}
			return openFile(s.info(installed, member))
		}
		place := "/" + name
		if to, ok := diverted[place]; ok {
			place = to
		}
		return openFile(s.path(place))
	}, nil
}

// openFile that is one: fs.ErrInvalid is the error of what is something else. It never waits for what is none.
func openFile(place string) (io.ReadCloser, error) {
	file, err := os.OpenFile(place, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO):
		return nil, fs.ErrInvalid
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// PackedFiles are those of a .deb, as InstalledFiles, which are to be opened in their order, those of the control archive first,
// each read before the next one. What is behind is not found: the archives are unpacked once each.
type PackedFiles struct {
	ctx     context.Context
	file    string
	tar     *tar.Reader
	control bool
	stop    func()
}

// PackedFiles of a .deb.
func (s System) PackedFiles(ctx context.Context, file string) *PackedFiles {
	return &PackedFiles{ctx: ctx, file: file, stop: func() {}}
}

// Open a file of the package.
func (p *PackedFiles) Open(name string) (io.ReadCloser, error) {
	wanted, control := strings.CutPrefix(name, controlFolder)
	if control && p.tar != nil && !p.control {
		return nil, fs.ErrNotExist
	}
	if p.tar == nil || p.control != control {
		if err := p.begin(control); err != nil {
			return nil, err
		}
	}
	for {
		header, err := p.tar.Next()
		switch {
		case err == io.EOF || errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fs.ErrNotExist
		case err != nil:
			return nil, err
		case path.Clean(header.Name) == wanted && header.Typeflag == tar.TypeReg:
			return io.NopCloser(p.tar), nil
		}
	}
}

func (p *PackedFiles) begin(control bool) error {
	p.stop()
	p.stop = func() {}
	file, err := os.Open(p.file)
	if err != nil {
		return err
	}
	if plain := plainTar(file, control); plain != nil {
		p.tar, p.control = tar.NewReader(plain), control
		p.stop = func() { file.Close() }
		return nil
	}
	file.Close()
	return p.unpack(control)
}

// unpack one of the archives by dpkg-deb, which Close ends.
func (p *PackedFiles) unpack(control bool) error {
	which := "--fsys-tarfile"
	if control {
		which = "--ctrl-tarfile"
	}
	program := exec.CommandContext(p.ctx, "dpkg-deb", which, p.file)
	program.Env = append(os.Environ(), "LC_ALL=C")
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := program.StdoutPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		return failure.During("reading "+p.file, err)
	}
	p.tar, p.control = tar.NewReader(out), control
	p.stop = func() {
		out.Close()
		program.Wait() // it ends by what it cannot write; what counts are the bytes that came
	}
	return nil
}

// Close ends what still runs.
func (p *PackedFiles) Close() { p.stop() }
