// Package channel reads what a channel says to its devices: ota.json (docs/ota.md), which release they are to run and how they
// get there. Nothing here asks a server or changes anything.
package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// Limits of what is read.
const (
	DocumentLimit  = 4 << 20
	SignatureLimit = 64 << 10
	listLimit      = 100_000
	maxNumber      = 1<<53 - 1
)

// None is what a bundle starts from that holds everything.
const None = "none"

// Document is an ota.json.
type Document struct {
	Schema  int    `json:"schema"`
	Name    string `json:"name"`
	Channel string `json:"channel"`
	// Version that devices are to run.
	Version string `json:"version"`
	// Packages of the host that belong to it, which no pull brings.
	Packages []Package `json:"packages"`
	// Sequence is one more with every signature.
	Sequence int64     `json:"sequence"`
	Issued   time.Time `json:"issued"`
	Expires  time.Time `json:"expires"`
	URLs     []string  `json:"urls"`
	Images   []Image   `json:"images"`
	Deltas   []Delta   `json:"deltas"`

	// Digest of the document's bytes.
	Digest oci.Digest `json:"-"`
}

// Package of the host, as dpkg calls it.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
}

// Image of the release, as it can be pulled.
type Image struct {
	// Image is its name as it was declared, with or without a tag.
	Image    string     `json:"image"`
	Platform string     `json:"platform"`
	Config   oci.Digest `json:"config"`
	// Reference by digest; "" where no registry has it.
	Reference string `json:"reference"`
	// Size of a pull where the device has nothing of it, in bytes.
	Size int64 `json:"size"`
}

// Delta is a bundle that is a step of some way to the release.
type Delta struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Platform string `json:"platform"`
	File     string `json:"file"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	// Needs is the version of formats that it takes to read it; 0 and 1 are the first.
	Needs int `json:"needs"`
	// Packages that others are made from: these versions must be installed.
	Packages []Package `json:"packages"`
}

var (
	sha256Pattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	filePattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,254}$`)
	referencePattern = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$`)
)

// Parse reads a document whose signature is good, and checks that it is meant for this project and channel. address is
// where it comes from, for messages.
func Parse(text []byte, name, channel, address string) (*Document, error) {
	wrong := func(because, fix string) error { return failure.Input("reading "+address, because, fix) }
	d := &Document{Digest: oci.DigestOf(text)}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, wrong("it is no ota.json: "+err.Error(), "make it with `imgbuild promote`")
	}
	if d.Schema != 1 {
		return nil, wrong(fmt.Sprintf("it is of the form %d, which cannot be read", d.Schema), "install a newer imgbuild-ota")
	}
	if d.Name != name {
		return nil, wrong(fmt.Sprintf("it is for the project %.100q, not for %q", d.Name, name),
			"see the url below ["+name+"] in the configuration")
	}
	if d.Channel != channel {
		return nil, wrong(fmt.Sprintf("it is of the channel %.100q, not of %q", d.Channel, channel),
			"see url and channel below ["+name+"] in the configuration")
	}
	if err := d.check(); err != nil {
		return nil, wrong(err.Error(), "make it with `imgbuild promote`")
	}
	return d, nil
}

func (d *Document) check() error {
	switch {
	case d.Version == "" || d.Version == None:
		return errors.New("it names no version")
	case d.Sequence < 1 || d.Sequence > maxNumber:
		return errors.New("it has no sequence")
	case d.Issued.IsZero() || d.Expires.IsZero() || !d.Expires.After(d.Issued):
		return errors.New("it does not say from when until when it counts")
	case len(d.Deltas) > listLimit || len(d.Images) > listLimit || len(d.URLs) > listLimit || len(d.Packages) > listLimit:
		return errors.New("it has too many entries")
	}
	for _, each := range d.URLs {
		if !strings.HasPrefix(each, "https://") && !strings.HasPrefix(each, "http://") {
			return fmt.Errorf("%.200q of its urls is no http or https URL", each)
		}
	}
	// No way overflows: all sizes together are a number of the format.
	left := int64(maxNumber)
	for _, each := range d.Images {
		switch {
		case each.Image == "" || each.Platform == "" || each.Config == "":
			return errors.New("an image of it has no name, platform or config")
		case each.Size < 0 || each.Size > left:
			return fmt.Errorf("its image %.100q has the size %d", each.Image, each.Size)
		case each.Reference != "" && !referencePattern.MatchString(each.Reference):
			return fmt.Errorf("its image %.100q is at %.200q, which is no name with a digest", each.Image, each.Reference)
		}
		left -= each.Size
	}
	for _, each := range d.Deltas {
		switch {
		case each.From == "" || each.To == "" || each.Platform == "":
			return errors.New("a delta of it leads nowhere")
		case each.Size < 0 || each.Size > left || !sha256Pattern.MatchString(each.SHA256):
			return fmt.Errorf("its delta %.100q has no size or sum", each.File)
		case len(each.Packages) > listLimit:
			return fmt.Errorf("its delta %.100q has too many packages", each.File)
		case !filePattern.MatchString(each.File):
			return fmt.Errorf("its delta %.300q has no file name", each.File)
		}
		left -= each.Size
	}
	return nil
}

// Addresses of a delta's file, in the order to try them.
func (d *Document) Addresses(of *Delta) []string {
	fill := strings.NewReplacer("{version}", escape(of.To), "{file}", escape(of.File), "{sha256}", of.SHA256)
	addresses := make([]string, len(d.URLs))
	for at, each := range d.URLs {
		addresses[at] = fill.Replace(each)
	}
	return addresses
}

// escape for any place of an address.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// On keeps what is for one platform: os/architecture, with whatever variant.
func (d *Document) On(platform string) (images []Image, deltas []Delta) {
	fits := func(other string) bool { return other == platform || strings.HasPrefix(other, platform+"/") }
	images = slices.DeleteFunc(slices.Clone(d.Images), func(i Image) bool { return !fits(i.Platform) })
	deltas = slices.DeleteFunc(slices.Clone(d.Deltas), func(i Delta) bool { return !fits(i.Platform) })
	return images, deltas
}
