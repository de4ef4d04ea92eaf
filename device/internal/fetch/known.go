package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"imgbuild/device/internal/failure"
)

// Document fetches a small file whole.
func Document(ctx context.Context, address string, limit int64, note func(string, ...any)) ([]byte, error) {
	d := newDownload(ctx, address, "", note)
	defer d.close()
	text, err := io.ReadAll(io.LimitReader(d, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = failure.Operation("downloading "+d.name, fmt.Sprintf("it has more than %d bytes", limit), "check the address")
	}
	return text, err
}

// Known is a file that is known before it is fetched.
type Known struct {
	// Addresses in the order to try them.
	Addresses []string
	Size      int64
	SHA256    string
}

// Place of the file in a folder; what has not come as a whole lies there, too, so that the next call goes on with it.
func (k *Known) Place(folder string) string { return filepath.Join(folder, k.SHA256) }

// Fetch brings the file into the folder, from where it broke off, also in another process. Another server goes on with what
// one has begun: the sum decides what counts.
func (k *Known) Fetch(ctx context.Context, folder string, note func(string, ...any)) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	// Nothing but a file that lies here is written to, wherever a link leads.
	place := k.Place(folder)
	if info, err := os.Lstat(place); err == nil && !info.Mode().IsRegular() {
		if err := os.RemoveAll(place); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(place, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	if err := k.fill(ctx, file, folder, note); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (k *Known) fill(ctx context.Context, file *os.File, folder string, note func(string, ...any)) error {
	if info, err := file.Stat(); err != nil || info.Size() > k.Size {
		if err = errors.Join(err, file.Truncate(0)); err != nil {
			return err
		}
	}
	if complete, err := k.complete(file); complete || err != nil {
		return err
	}
	failed := failure.Operation("downloading "+k.SHA256, "no address is given", "see the urls of the channel")
	var reasons []string
	for _, address := range k.Addresses {
		err := k.from(ctx, address, file, folder, note)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var told *failure.Failure
		if !errors.As(err, &told) {
			return err // of the disk
		}
		reasons = append(reasons, told.Doing+": "+told.Because)
		failed = told
	}
	if len(reasons) > 1 {
		failed = failure.Operation("downloading "+k.SHA256, strings.Join(reasons, "; "), failed.Fix)
	}
	return failed
}

// from one server; twice where what had come before turns out to be of something else.
func (k *Known) from(ctx context.Context, address string, file *os.File, folder string, note func(string, ...any)) error {
	for {
		begun, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if begun > 0 {
			note("going on with the download at %s", failure.Bytes(begun))
		}
		d := newDownload(ctx, address, folder, note)
		d.known, d.position = k.Size, begun
		d.restart = func() error {
			begun = 0
			return restart(file)
		}
		_, err = io.Copy(&roomy{file: file, folder: folder}, d)
		d.close()
		if err != nil {
			return err
		}
		complete, err := k.complete(file)
		if complete || err != nil {
			return err
		}
		if err := restart(file); err != nil {
			return err
		}
		if begun == 0 {
			return failure.Operation("downloading "+d.name, "it is another file than the one that was signed: it has another sha256",
				"see whether the right file is there")
		}
	}
}

func restart(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}

func (k *Known) complete(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil || info.Size() != k.Size {
		return false, err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, k.Size)); err != nil {
		return false, err
	}
	return hex.EncodeToString(hash.Sum(nil)) == k.SHA256, nil
}
