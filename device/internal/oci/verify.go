package oci

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// ErrMismatch is the error of bytes that are not those that a descriptor names.
type ErrMismatch struct {
	Expected Descriptor
	Because  string
}

func (e *ErrMismatch) Error() string {
	return fmt.Sprintf("the blob %s %s", e.Expected.Digest, e.Because)
}

// VerifyReader passes bytes on and fails instead of ending when their size or digest is not the descriptor's.
func VerifyReader(r io.Reader, expected Descriptor) io.Reader {
	return &verifyReader{inner: r, expected: expected, hash: sha256.New(), left: expected.Size}
}

type verifyReader struct {
	inner    io.Reader
	expected Descriptor
	hash     hash.Hash
	left     int64
	done     error
}

func (v *verifyReader) Read(p []byte) (int, error) {
	if v.done != nil {
		return 0, v.done
	}
	n, err := v.inner.Read(p)
	if int64(n) > v.left {
		v.done = &ErrMismatch{v.expected, fmt.Sprintf("has more than its %d bytes", v.expected.Size)}
		return 0, v.done
	}
	v.hash.Write(p[:n])
	v.left -= int64(n)
	if err == io.EOF {
		err = v.finish()
	}
	v.done = err
	return n, err
}

func (v *verifyReader) finish() error {
	if v.left > 0 {
		return &ErrMismatch{v.expected, fmt.Sprintf("ends %d bytes early", v.left)}
	}
	if found := DigestOfSum(v.hash.Sum(nil)); found != v.expected.Digest {
		return &ErrMismatch{v.expected, fmt.Sprintf("has bytes whose digest is %s", found)}
	}
	return io.EOF
}
