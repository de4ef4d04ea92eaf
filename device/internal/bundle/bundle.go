// Package bundle reads the files that `imgbuild ota diff` makes: everything that is signed first, filesystem layers when
// they are asked for, each checked by size and digest while it is read.
package bundle

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"

	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// Bundle is an open file. Its images are to be asked for once the signature has been judged.
type Bundle struct {
	// Name of the file, for messages.
	Name string
	// Size of the file in bytes.
	Size int64
	// Index is what is signed.
	Index []byte
	// Signature over the index; nil where there is none.
	Signature []byte

	file    io.ReaderAt
	members map[string]member
	// documents is how many bytes of manifests and configs have been read.
	documents int64
	// packages, once they have been read.
	packages     []Package
	packagesRead bool
}

type member struct{ start, size int64 }

// Open reads the names of a bundle's members, its index and its signature.
func Open(file *os.File, name string) (*Bundle, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, broken(name, "it is no file")
	}
	return New(file, info.Size(), name)
}

// New is Open for any bytes.
func New(file io.ReaderAt, size int64, name string) (*Bundle, error) {
	b := &Bundle{Name: name, Size: size, file: file, members: map[string]member{}}
	if err := b.readMembers(); err != nil {
		return nil, broken(name, err.Error())
	}
	var err error
	if _, ok := b.members[layoutName]; !ok {
		return nil, broken(name, "it is no bundle: oci-layout is missing")
	}
	if b.Index, err = b.member(indexName, documentLimit); err != nil {
		return nil, broken(name, "it is no bundle: "+err.Error())
	}
	if _, ok := b.members[signatureName]; ok {
		if b.Signature, err = b.member(signatureName, signatureLimit); err != nil {
			return nil, broken(name, err.Error())
		}
	}
	return b, nil
}

func (b *Bundle) readMembers() error {
	section := io.NewSectionReader(b.file, 0, b.Size)
	archive := tar.NewReader(section)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no bundle, or damaged: %w", err)
		}
		switch {
		case header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeXGlobalHeader:
			continue
		case header.Typeflag != tar.TypeReg || sparse(header):
			return fmt.Errorf("its member %.100q is no plain file", header.Name)
		case len(header.Name) > nameLimit:
			return fmt.Errorf("its member %.100q… has a name of %d bytes", header.Name, len(header.Name))
		case len(b.members) == memberLimit:
			return fmt.Errorf("it has more than %d members", memberLimit)
		}
		if _, known := b.members[header.Name]; known {
			return fmt.Errorf("it has two members %.100q", header.Name)
		}
		start, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if header.Size > b.Size-start {
			return fmt.Errorf("it is cut off inside %.100q", header.Name)
		}
		b.members[header.Name] = member{start, header.Size}
	}
}

func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if len(key) > 11 && key[:11] == "GNU.sparse." {
			return true
		}
	}
	return false
}

// member is the contents of a small one.
func (b *Bundle) member(name string, limit int64) ([]byte, error) {
	found, ok := b.members[name]
	if !ok {
		return nil, errors.New(name + " is missing")
	}
	if found.size > limit {
		return nil, fmt.Errorf("%s has %d bytes, and %d are accepted", name, found.size, limit)
	}
	bytes := make([]byte, found.size)
	if n, err := b.file.ReadAt(bytes, found.start); n < len(bytes) {
		return nil, err
	}
	return bytes, nil
}

// Blob reads a blob, and fails instead of ending where its bytes are not those that the descriptor names.
func (b *Bundle) Blob(d oci.Descriptor) (io.Reader, error) {
	found, ok := b.members[blobPrefix+d.Digest.Hex()]
	if !ok {
		return nil, broken(b.Name, fmt.Sprintf("the blob %s is missing", d.Digest))
	}
	if found.size != d.Size {
		return nil, broken(b.Name, fmt.Sprintf("the blob %s has %d bytes, not %d", d.Digest, found.size, d.Size))
	}
	return oci.VerifyReader(io.NewSectionReader(b.file, found.start, found.size), d), nil
}

// ReadHead reads index and signature (nil where there is none) from the front of a bundle that is still on its way.
func ReadHead(r io.Reader, name string) (index, signature []byte, err error) {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if err != nil {
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
				return nil, nil, broken(name, "it is no bundle, or cut off at its beginning")
			}
			return nil, nil, err
		}
		switch {
		case header.Name == layoutName && index == nil && header.Size <= documentLimit:
		case header.Name == indexName && index == nil && header.Size <= documentLimit:
			if index, err = io.ReadAll(archive); err != nil {
				return nil, nil, err
			}
		case header.Name == signatureName && index != nil && header.Size <= signatureLimit:
			signature, err = io.ReadAll(archive)
			return index, signature, err
		case index != nil:
			return index, nil, nil
		default:
			return nil, nil, broken(name, fmt.Sprintf("it does not begin with %s and %s", layoutName, indexName))
		}
	}
}

func broken(name, because string) error {
	return failure.Input("reading the bundle "+name, because, "make it with `imgbuild ota diff`, or fetch it again")
}
