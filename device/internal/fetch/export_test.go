package fetch

import (
	"net/http"
	"time"
)

// Tests do not wait as devices do.
func init() { firstWait = time.Millisecond }

// Trust what a test serves.
func Trust(transport http.RoundTripper) (end func()) {
	client.Transport = transport
	return func() { client.Transport = nil }
}
