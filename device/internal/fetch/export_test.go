package fetch

import "time"

// Tests do not wait as devices do.
func init() { firstWait = time.Millisecond }
