package containerd

import "time"

var EachBytes = eachBytes

// SetPatience with an answer.
func (c *Client) SetPatience(patience time.Duration) { c.patience = patience }
