package containerd

import (
	"encoding/binary"
	"errors"
)

// What is needed of protocol buffers' wire format (protobuf.dev/programming-guides/encoding): fields of bytes and of numbers.

const (
	varint = 0
	fixed8 = 1
	length = 2
	fixed4 = 5
)

var errWire = errors.New("what it answers is no protocol buffer")

// appendBytes adds a field that holds a string or a message.
func appendBytes(to []byte, field int, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(field)<<3|length)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

func appendTrue(to []byte, field int) []byte {
	return append(binary.AppendUvarint(to, uint64(field)<<3|varint), 1)
}

// eachBytes goes through the fields of a message that hold bytes, and passes over the others.
func eachBytes(message []byte, visit func(field int, value []byte) error) error {
	for len(message) > 0 {
		key, read := binary.Uvarint(message)
		if read <= 0 {
			return errWire
		}
		message = message[read:]
		var size uint64
		switch key & 7 {
		case varint:
			_, read = binary.Uvarint(message)
			size = uint64(max(read, 0))
			if read <= 0 {
				return errWire
			}
		case fixed8:
			size = 8
		case fixed4:
			size = 4
		case length:
			size, read = binary.Uvarint(message)
			if read <= 0 {
				return errWire
			}
			message = message[read:]
		default:
			return errWire
		}
		if size > uint64(len(message)) {
			return errWire
		}
		if key&7 == length {
			if err := visit(int(key>>3), message[:size]); err != nil {
				return err
			}
		}
		message = message[size:]
	}
	return nil
}
