package fetch

import (
	"fmt"
	"os"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/failure"
)

// reserve is what stays free on the disk, in bytes, whatever is sent.
const reserve = 64 << 20

// roomy stops writing before the disk is full.
type roomy struct {
	file    *os.File
	folder  string
	unasked int64
}

func (d *roomy) Write(p []byte) (int, error) {
	if d.unasked -= int64(len(p)); d.unasked < 0 {
		free, _, err := durable.Space(d.folder)
		if err != nil {
			return 0, err
		}
		if free < reserve+int64(len(p)) {
			return 0, failure.Operation("storing what is sent", fmt.Sprintf("%s are left on the disk of %s, of which %s must stay",
				failure.Bytes(free), d.folder, failure.Bytes(reserve)), "make room, and try again")
		}
		d.unasked = reserve / 8
	}
	return d.file.Write(p)
}

// room tells before the download when it cannot fit.
func (d *download) room() error {
	if d.folder == "" {
		return nil
	}
	free, _, err := durable.Space(d.folder)
	if err != nil || d.total < 0 || free >= d.total+reserve {
		return err
	}
	return final{failure.Operation("downloading "+d.name, fmt.Sprintf("it has %s, and %s are free on the disk of %s",
		failure.Bytes(d.total), failure.Bytes(free), d.folder), "make room, and try again")}
}
