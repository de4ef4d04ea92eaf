package update

import (
	"context"
	"strings"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/fetch"
)

// fetchDocument from the first address that has one with a good signature.
func (f *followed) fetchDocument(ctx context.Context) (*channel.Document, error) {
	var failed []error
	for _, address := range f.URLs {
		document, err := f.documentAt(ctx, address)
		if err == nil || ctx.Err() != nil {
			return document, err
		}
		failed = append(failed, err)
	}
	for _, err := range failed[:len(failed)-1] {
		f.Log("%s", err)
	}
	return nil, failed[len(failed)-1]
}

func (f *followed) documentAt(ctx context.Context, address string) (*channel.Document, error) {
	text, err := fetch.Document(ctx, address, channel.DocumentLimit, f.Log)
	if err != nil {
		return nil, err
	}
	signature, err := fetch.Document(ctx, signatureOf(address), channel.SignatureLimit, f.Log)
	if err != nil {
		return nil, err
	}
	name := fetch.Redacted(address)
	if err := f.Judge(text, signature, name); err != nil {
		return nil, err
	}
	return channel.Parse(text, f.folder.Name, f.Channel, name)
}

// signatureOf an address: what asks for it stays behind the name.
func signatureOf(address string) string {
	path, query, asked := strings.Cut(address, "?")
	if asked {
		query = "?" + query
	}
	return path + ".asc" + query
}
