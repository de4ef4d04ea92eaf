package update

import (
	"context"
	"io"
)

// stoppable ends a reader once the context does.
func stoppable(ctx context.Context, r io.Reader) io.Reader { return &stoppableReader{ctx, r} }

type stoppableReader struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppableReader) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}
