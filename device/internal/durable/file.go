// Package durable writes files that a power cut leaves as they were before or as they are afterwards.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replace puts bytes under path whole or not at all: temporary name, fsync, rename, fsync of the folder.
func Replace(path string, bytes []byte) error {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone by then, unless something failed
	_, err = file.Write(bytes)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return SyncFolder(folder)
}

// Remove removes a file for good; a missing one is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes the names in a folder survive a power cut. File systems that refuse it have no such promise.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// SyncFileSystem writes everything that waits on the file system of path to its disk (syncfs(2)).
func SyncFileSystem(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", path, err)
	}
	return nil
}

// Space tells how many bytes a user without privileges may still write below path, and which file system that is.
func Space(path string) (free int64, device uint64, err error) {
	var space unix.Statfs_t
	if err := unix.Statfs(path, &space); err != nil {
		return 0, 0, err
	}
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return 0, 0, err
	}
	return int64(space.Bavail) * space.Bsize, info.Dev, nil
}
