package main

import (
	"context"
	"errors"
	"io"
	"os"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/fetch"
	"imgbuild/device/internal/signature"
)

// open brings a bundle here and judges its signature before anything else of it is looked at.
func (s *session) open(ctx context.Context, name string) (*bundle.Bundle, *os.File, error) {
	if err := s.readKeyring(); err != nil {
		return nil, nil, err
	}
	check := func(r io.Reader) error {
		index, signed, err := bundle.ReadHead(r, name)
		if err != nil {
			return err
		}
		return s.judge(index, signed, name)
	}
	var file *os.File
	var err error
	switch {
	case name == "-":
		name = "from standard input"
		file, err = fetch.Stream(s.in, s.state, check)
	case fetch.IsURL(name):
		file, err = fetch.Download(ctx, name, s.state, check, s.Log)
		name = "from " + fetch.Redacted(name)
	default:
		if file, err = os.Open(name); errors.Is(err, os.ErrNotExist) {
			err = failure.Input("opening "+name, "there is no such file", "check the path")
		}
	}
	if err != nil {
		return nil, nil, failure.During("opening "+name, err)
	}
	b, err := bundle.Open(file, name)
	if err == nil {
		// Also of what was judged on its way: these are the bytes that count.
		err = s.judge(b.Index, b.Signature, name)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return b, file, nil
}

func (s *session) readKeyring() (err error) {
	if !s.allowUnsigned {
		s.keyring, err = signature.ReadKeyring(s.config.Keyring)
	}
	return err
}

func (s *session) judge(index, signed []byte, name string) error {
	if s.allowUnsigned {
		return nil
	}
	_, err := s.keyring.Verify(index, signed, name)
	return err
}
