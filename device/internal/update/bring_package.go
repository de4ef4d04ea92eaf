package update

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/packagedelta"
	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/source"
	"imgbuild/device/internal/state"
)

// bring a package into the folder of packages: out of a bundle as it is, or made from an older version. file is its name there.
func (s *staging) bring(ctx context.Context, wanted bundle.Package) (file string, err error) {
	var refused error
	for _, each := range s.carried {
		if each.Digest != wanted.Digest {
			continue
		}
		file, err = s.write(ctx, each)
		if err == nil || !errors.Is(err, errSource) {
			return file, err
		}
		refused = err
	}
	if refused != nil {
		return "", refused
	}
	return "", unusable(wanted, fmt.Sprintf("the bundle counts on version %s, and %s", wanted.Version, s.has(wanted)), "install that version")
}

// has is what this device has of a package, for messages.
func (s *staging) has(wanted bundle.Package) string {
	if found := s.database.Find(wanted.Name, wanted.Architecture); found != nil {
		return "this device has " + found.Version
	}
	return "this device does not have it"
}

func unusable(wanted bundle.Package, because, or string) error {
	told := failure.Input("preparing the package "+wanted.Name, because, "apply a bundle that starts from none, or "+or)
	told.Err = errSource
	return told
}

// write a package under its name once all of it is on the disk and has the right digest.
func (s *staging) write(ctx context.Context, carried carriedPackage) (name string, err error) {
	expected := oci.Descriptor{Digest: carried.Digest, Size: carried.Size}
	if carried.Delta != nil {
		expected = oci.Descriptor{Digest: carried.Delta.Digest, Size: carried.Delta.Size}
	}
	if err := makePackagesFolder(s.folder); err != nil {
		return "", err
	}
	if err := checkSpace([]need{{s.folder.Path, expected.Size}}); err != nil {
		return "", err
	}
	blob, err := carried.in.Blob(*carried.Blob)
	if err != nil {
		return "", err
	}
	folder := s.folder.PackagesPath()
	file, err := os.CreateTemp(folder, ".*.partial")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // gone by then, unless something failed
	if carried.Delta == nil {
		_, err = io.Copy(file, stoppable(ctx, blob))
	} else {
		err = s.rebuild(ctx, file, stoppable(ctx, blob), carried, expected)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		var told *failure.Failure
		if errors.As(err, &told) {
			return "", told
		}
		return "", failure.During("preparing the package "+carried.Name, err)
	}
	name = expected.Digest.Hex() + ".deb"
	if err := os.Rename(file.Name(), filepath.Join(folder, name)); err != nil {
		return "", err
	}
	return name, durable.SyncFolder(folder)
}

// rebuild a package from what an older version of it has.
func (s *staging) rebuild(ctx context.Context, w io.Writer, blob io.Reader, carried carriedPackage, expected oci.Descriptor) error {
	s.Log("making the package %s %s from %s", carried.Name, carried.Version, carried.Delta.From)
	folder := s.folder.PackagesPath()
	return s.makePackage(w, blob, carried, folder, expected.Size, func(made *packagedelta.Delta, ranges *source.Ranges) error {
		return s.gather(ctx, made, ranges, carried)
	})
}

// makePackage out of a delta and what gather finds for it, which lies in folder meanwhile. stays is how many bytes of what is
// written take room there, too.
func (u *Updater) makePackage(w io.Writer, blob io.Reader, carried carriedPackage, folder string, stays int64,
	gather func(*packagedelta.Delta, *source.Ranges) error) error {
	made, err := packagedelta.Read(blob)
	if err != nil {
		return unreadablePackage(carried, err)
	}
	ranges := source.NewRanges(made.Sources)
	if err := checkSpace([]need{{folder, stays + made.Sources.Size}}); err != nil {
		return err
	}
	if err := ranges.Spool(folder); err != nil {
		return err
	}
	defer ranges.Close()
	if err := gather(made, ranges); err != nil {
		return err
	}
	made.Files = nil // not needed any more, while rebuilding takes the memory that it declares
	if err := ranges.Unpack(); err != nil {
		return unreadablePackage(carried, err)
	}
	output := &hashedWriter{inner: &delta.LimitedWriter{W: w, Left: carried.Delta.Size}, hash: sha256.New()}
	err = made.Rebuild(output, ranges.File(), int64(u.Budget))
	if output.failed != nil {
		return output.failed
	}
	if err != nil {
		return unreadablePackage(carried, err)
	}
	if found := oci.DigestOfSum(output.hash.Sum(nil)); found != carried.Delta.Digest {
		return unusable(carried.Package, fmt.Sprintf("version %s comes out with the digest %s", carried.Version, found),
			"fetch the bundle again")
	}
	return nil
}

func unreadablePackage(carried carriedPackage, err error) error {
	return failure.Input("reading the bundle "+carried.in.Name, fmt.Sprintf("its delta of the package %s: %s", carried.Name, err),
		"make it with `imgbuild ota diff`, or fetch it again")
}

// gather what a delta reads of the older version: as it is installed, or of a file of it that an update has left here, or that
// another of the bundles brings.
func (s *staging) gather(ctx context.Context, made *packagedelta.Delta, ranges *source.Ranges, carried carriedPackage) error {
	from := carried.Delta.From
	refused := unusable(carried.Package, fmt.Sprintf("version %s is made from the files of %s, and %s", carried.Version, from, s.has(carried.Package)),
		"install that version")
	found := s.database.Find(carried.Name, carried.Architecture)
	if found != nil && found.Complete() && found.Version == from {
		open, err := s.Host.InstalledFiles(found)
		if err != nil {
			return err
		}
		err = gatherFrom(ctx, made, ranges, open)
		var altered *packagedelta.AlteredError
		if !errors.As(err, &altered) {
			return err
		}
		place := "/" + altered.Path
		refused = unusable(carried.Package, fmt.Sprintf("version %s is made from the files of %s, and %.200q %s on this device",
			carried.Version, from, place, altered.Because), fmt.Sprintf("install %s %s again", carried.Name, from))
	}
	files, err := s.filesOf(ctx, carried, from)
	if err != nil {
		return err
	}
	for _, file := range files {
		s.Log("reading %s %s as it is kept on this device", carried.Name, from)
		packed := s.Host.PackedFiles(ctx, filepath.Join(s.folder.PackagesPath(), file))
		err := gatherFrom(ctx, made, ranges, packed.Open)
		packed.Close()
		var altered *packagedelta.AlteredError
		if !errors.As(err, &altered) {
			return err
		}
	}
	return refused
}

// filesOf a version of a package that are on this device, or in one of the bundles.
func (s *staging) filesOf(ctx context.Context, carried carriedPackage, version string) ([]string, error) {
	var files []string
	list, err := s.folder.Releases()
	if err != nil {
		return nil, err
	}
	wanted := state.Package{Name: carried.Name, Architecture: carried.Architecture, Version: version}
	if kept := keptFile(s.folder, list, wanted); kept != "" {
		files = append(files, kept)
	}
	// Never those of the bundle itself: each version is made from one that is in a bundle before.
	before := slices.IndexFunc(s.carried, func(each carriedPackage) bool { return each.in == carried.in })
	for _, each := range s.carried[:before] {
		if each.Name != carried.Name || each.Architecture != carried.Architecture || each.Version != version {
			continue
		}
		file, err := s.write(ctx, each)
		if err == nil {
			files = append(files, file)
		} else if !errors.Is(err, errSource) {
			return nil, err
		}
	}
	return files, nil
}

// gatherFrom fails with an AlteredError where the files are other ones.
func gatherFrom(ctx context.Context, made *packagedelta.Delta, ranges *source.Ranges, open func(string) (io.ReadCloser, error)) error {
	ranges.Again()
	ranges.Begin("")
	hash := sha256.New()
	opened := func(path string) (io.ReadCloser, error) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return open(path)
	}
	if err := made.WriteInstalled(io.MultiWriter(ranges, hash), opened); err != nil {
		return err
	}
	if err := ranges.Commit(oci.DigestOfSum(hash.Sum(nil))); err != nil {
		return err
	}
	if id := ranges.Missing(); id != "" {
		return failure.Input("preparing a package", "its delta reads from something else than the files that it names",
			"make the bundle with `imgbuild ota diff`, or fetch it again")
	}
	return nil
}
