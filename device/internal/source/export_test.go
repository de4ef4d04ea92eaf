package source

import "testing"

// SpoolSize is how many bytes the temporary file has.
func (r *Ranges) SpoolSize(t *testing.T) int64 {
	t.Helper()
	info, err := r.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
