package signature_test

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"imgbuild/device/internal/signature"
)

var text = []byte(`{"manifests":[]}`)

// at is a configuration whose clock stands still.
func at(moment time.Time, lifetime time.Duration) *packet.Config {
	return &packet.Config{
		Time: func() time.Time { return moment }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512,
		KeyLifetimeSecs: uint32(lifetime.Seconds()),
	}
}

func key(t *testing.T, config *packet.Config) *openpgp.Entity {
	t.Helper()
	made, err := openpgp.NewEntity("Releases", "", "releases@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func sign(t *testing.T, with *openpgp.Entity, config *packet.Config) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&buffer, with, bytes.NewReader(text), config); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func keyring(t *testing.T, armoured bool, keys ...*openpgp.Entity) *signature.Keyring {
	t.Helper()
	var buffer bytes.Buffer
	for _, each := range keys {
		if !armoured {
			each.Serialize(&buffer)
			continue
		}
		w, err := armor.Encode(&buffer, openpgp.PublicKeyType, nil)
		if err != nil {
			t.Fatal(err)
		}
		each.Serialize(w)
		w.Close()
		buffer.WriteByte('\n')
	}
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := signature.ReadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestVerify(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	ours, other := key(t, at(now.Add(-day), 0)), key(t, at(now.Add(-day), 0))
	expired := key(t, at(now.Add(-10*day), 5*day))
	future := key(t, at(now.Add(20*day), 0))
	revoked := key(t, at(now.Add(-10*day), 0))
	old := sign(t, revoked, at(now.Add(-5*day), 0))
	if err := revoked.RevokeKey(packet.KeyCompromised, "lost", at(now, 0)); err != nil {
		t.Fatal(err)
	}
	good := sign(t, ours, at(now, 0))
	cases := []struct {
		name      string
		ring      *signature.Keyring
		signature []byte
		text      []byte
		because   string // "" for a good one
	}{
		{"good", keyring(t, true, ours), good, text, ""},
		{"good, in a ring of several", keyring(t, true, other, expired, ours), good, text, ""},
		{"good, in a binary ring", keyring(t, false, other, ours), good, text, ""},
		{"a clock that stands before the signature", keyring(t, true, future), sign(t, future, at(now.Add(30*day), 0)), text, ""},
		{"unsigned", keyring(t, true, ours), nil, text, "it is not signed"},
		{"wrong key", keyring(t, true, other), good, text, "does not hold"},
		{"another text", keyring(t, true, ours), good, []byte("{}"), "invalid signature"},
		{"expired key", keyring(t, true, expired), sign(t, expired, at(now.Add(-8*day), 0)), text, "expired"},
		{"expired key that lies about the time", keyring(t, true, expired), sign(t, expired, at(now.Add(-6*day), 0)), text, "expired"},
		{"revoked key", keyring(t, true, revoked), old, text, "revoked"},
		{"weak hash", keyring(t, true, ours), weak(t, ours, now), text, "SHA-1"},
		{"no signature", keyring(t, true, ours), []byte("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"), text, ""},
		{"nonsense", keyring(t, true, ours), []byte("nonsense"), text, "cannot be read"},
	}
	for _, each := range cases {
		t.Run(each.name, func(t *testing.T) {
			signer, err := each.ring.Verify(each.text, each.signature, "file")
			if each.name == "no signature" {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			if each.because == "" {
				if err != nil || signer.UserID == "" || len(signer.Fingerprint) != 40 {
					t.Errorf("refused: %v, %+v", err, signer)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), each.because) {
				t.Errorf("got %v, want %q", err, each.because)
			}
		})
	}
}

// weak is a signature that says it was made with SHA-1.
func weak(t *testing.T, with *openpgp.Entity, now time.Time) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := openpgp.DetachSign(&buffer, with, bytes.NewReader(text), at(now, 0)); err != nil {
		t.Fatal(err)
	}
	packet := buffer.Bytes()
	packet[bytes.Index(packet, []byte{4, 0, 22, 10})+3] = 2 // version 4, binary, EdDSA, SHA-512 (RFC 9580, 5.2.3)
	return packet
}

func TestKeyringThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := signature.ReadKeyring(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing: %v", err)
	}
	os.WriteFile(path, []byte("hello"), 0o600)
	if _, err := signature.ReadKeyring(path); err == nil || !strings.Contains(err.Error(), "no OpenPGP public key") {
		t.Errorf("nonsense: %v", err)
	}
}
