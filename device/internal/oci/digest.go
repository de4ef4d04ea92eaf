// Package oci holds the nouns of the OCI image specification, parsed once.
package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Digest is `sha256:` and 64 hex digits (OCI image spec, descriptor.md); no other algorithm is taken.
type Digest string

// ParseDigest checks the form.
func ParseDigest(text string) (Digest, error) {
	hexed, ok := strings.CutPrefix(text, "sha256:")
	if !ok || len(hexed) != 64 || strings.Trim(hexed, "0123456789abcdef") != "" {
		if len(text) > 80 {
			text = text[:80] + "…"
		}
		return "", fmt.Errorf("%q is no sha256 digest", text)
	}
	return Digest(text), nil
}

// DigestOf hashes bytes.
func DigestOf(bytes []byte) Digest {
	sum := sha256.Sum256(bytes)
	return DigestOfSum(sum[:])
}

// DigestOfSum is the digest of a finished SHA-256.
func DigestOfSum(sum []byte) Digest { return Digest("sha256:" + hex.EncodeToString(sum)) }

// ChainIDs name what filesystem layers make together, from the lowest up to each (OCI image spec, config.md, "Layer ChainID").
func ChainIDs(diffIDs []Digest) []Digest {
	chain := slices.Clone(diffIDs)
	for at := 1; at < len(chain); at++ {
		chain[at] = DigestOf([]byte(string(chain[at-1]) + " " + string(diffIDs[at])))
	}
	return chain
}

// Hex is the digest without its algorithm.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// UnmarshalJSON refuses whatever is no digest.
func (d *Digest) UnmarshalJSON(bytes []byte) error {
	var text string
	if err := json.Unmarshal(bytes, &text); err != nil {
		return err
	}
	parsed, err := ParseDigest(text)
	*d = parsed
	return err
}
