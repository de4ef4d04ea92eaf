package engine

import "strings"

// SplitReference divides a name into repository and tag; without a tag it is latest.
func SplitReference(reference string) (repository, tag string) {
	plain, _, _ := strings.Cut(reference, "@")
	colon := strings.LastIndexByte(plain, ':')
	if colon <= strings.LastIndexByte(plain, '/') {
		return plain, "latest"
	}
	return plain[:colon], plain[colon+1:]
}
