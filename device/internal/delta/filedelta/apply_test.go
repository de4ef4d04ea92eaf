// Package filedelta_test tries the codings in deltas of single files (docs/delta-format.md), which no bundle has.
package filedelta_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
	"imgbuild/device/internal/delta/elf"
	"imgbuild/device/internal/delta/general"
)

const magic = "ibd1"

// apply writes the new file, and fails unless it is the one that the delta was made for. memory is what is granted.
func apply(w io.Writer, r io.Reader, old delta.File, memory int64) error {
	in := bufio.NewReader(r)
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return block.Cut(err)
	}
	if string(head[:4]) != magic {
		return errors.New("it is no delta of a file")
	}
	var numbers [4]int64
	for at := range numbers {
		var err error
		if numbers[at], err = block.ReadUvarint(in); err != nil {
			return err
		}
	}
	oldSize, size, blockSize, needed := numbers[0], numbers[1], numbers[2], numbers[3]
	if oldSize != old.Size() {
		return fmt.Errorf("it is for an old file of %d bytes, not of %d", oldSize, old.Size())
	}
	if needed > memory {
		return fmt.Errorf("it needs %d bytes of memory, and %d are granted", needed, memory)
	}
	rest := needed - block.Memory(blockSize)
	if rest < 0 {
		return errors.New("it needs more memory than it declares")
	}
	blocks, err := block.NewReader(in, blockSize)
	if err != nil {
		return err
	}
	defer blocks.Close()
	hash := sha256.New()
	out := io.MultiWriter(w, hash)
	switch head[4] {
	case 0:
		decoder := general.Decoder{Old: old}
		err = decoder.Blocks(out, blocks, size)
	case 1:
		err = new(elf.Decoder).Decode(out, blocks, old, size, rest)
	default:
		err = fmt.Errorf("it has the coding %d, which cannot be read", head[4])
	}
	if err != nil {
		return err
	}
	var sum [sha256.Size]byte
	if _, err := io.ReadFull(in, sum[:]); err != nil {
		return block.Cut(err)
	}
	if [sha256.Size]byte(hash.Sum(nil)) != sum {
		return errors.New("what comes out is another file")
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}
