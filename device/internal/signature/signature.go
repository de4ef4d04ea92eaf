// Package signature judges detached OpenPGP signatures (RFC 9580) with a keyring of public keys.
package signature

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"imgbuild/device/internal/failure"
)

// Keyring is a file of public keys, armoured or binary, one after the other, as `gpg --export` writes them.
type Keyring struct {
	path string
	keys openpgp.EntityList
}

// Signer is who made a good signature.
type Signer struct {
	// Fingerprint of the primary key, upper case.
	Fingerprint string
	UserID      string
	SignedAt    time.Time
}

const keyBlock = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// ReadKeyring reads a file of public keys.
func ReadKeyring(path string) (*Keyring, error) {
	doing := "reading the keyring " + path
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, failure.Input(doing, cause(err), "give a readable file with the public keys by --keyring")
	}
	keys, err := parseKeys(text)
	if err != nil || len(keys) == 0 {
		return nil, failure.Input(doing, "it holds no OpenPGP public key", "give the file that `gpg --export KEY` wrote")
	}
	return &Keyring{path, keys}, nil
}

func parseKeys(text []byte) (openpgp.EntityList, error) {
	if !bytes.Contains(text, []byte("-----BEGIN PGP")) {
		return openpgp.ReadKeyRing(bytes.NewReader(text))
	}
	var keys openpgp.EntityList
	for _, block := range strings.Split(string(text), keyBlock)[1:] {
		more, err := openpgp.ReadArmoredKeyRing(strings.NewReader(keyBlock + block))
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// hashes that a signature may be made with: those whose collisions nobody can make.
var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}

// Verify finds a good signature (armoured or binary, one or several) over text. Keys that are expired or revoked, or were
// when they signed, do not count; a clock that stands before the signature is no reason to refuse it.
func (k *Keyring) Verify(text, signature []byte, name string) (*Signer, error) {
	doing := "verifying the signature of " + name
	if signature == nil {
		return nil, failure.Input(doing, "it is not signed",
			"make it with `imgbuild ota diff --sign-key FILE`, or accept it as it is with --allow-unsigned")
	}
	packets, err := parseSignatures(signature)
	if err != nil {
		return nil, failure.Input(doing, "the signature cannot be read: "+err.Error(), "fetch the file again")
	}
	because := "it has no signature"
	for _, each := range packets {
		signer, err := k.verify(text, each)
		if err == nil {
			return signer, nil
		}
		because = err.Error()
	}
	return nil, failure.Input(doing, because, "use a file that one of the keys of "+k.path+" has signed")
}

func parseSignatures(signature []byte) ([]*packet.Signature, error) {
	var body io.Reader = bytes.NewReader(signature)
	if bytes.Contains(signature, []byte("-----BEGIN PGP")) {
		block, err := armor.Decode(body)
		if err != nil {
			return nil, err
		}
		body = block.Body
	}
	var found []*packet.Signature
	packets := packet.NewReader(body)
	for {
		next, err := packets.Next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if each, ok := next.(*packet.Signature); ok {
			found = append(found, each)
		}
	}
}

func (k *Keyring) verify(text []byte, signature *packet.Signature) (*Signer, error) {
	if signature.SigType != packet.SigTypeBinary {
		return nil, errors.New("the signature is not one over bytes")
	}
	if !slices.Contains(hashes, signature.Hash) {
		return nil, fmt.Errorf("the signature was made with %s, which proves nothing", signature.Hash)
	}
	var encoded bytes.Buffer
	if err := signature.Serialize(&encoded); err != nil {
		return nil, err
	}
	now := time.Now()
	if signature.CreationTime.After(now) {
		now = signature.CreationTime
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	good, key, err := openpgp.VerifyDetachedSignature(k.keys, bytes.NewReader(text), &encoded, config)
	if err != nil {
		return nil, k.explain(signature, err)
	}
	// The signature was judged now; it must have been good when it was made, too.
	if _, usable := key.SigningKeyById(good.CreationTime, *good.IssuerKeyId); !usable {
		return nil, errors.New("the key could not sign at the time of the signature")
	}
	signer := &Signer{Fingerprint: fmt.Sprintf("%X", key.PrimaryKey.Fingerprint), SignedAt: good.CreationTime}
	if identity := key.PrimaryIdentity(); identity != nil {
		signer.UserID = identity.Name
	}
	return signer, nil
}

func (k *Keyring) explain(signature *packet.Signature, err error) error {
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		id := "unknown"
		if signature.IssuerKeyId != nil {
			id = fmt.Sprintf("%016X", *signature.IssuerKeyId)
		}
		return fmt.Errorf("it was signed by the key %s, which %s does not hold", id, k.path)
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return errors.New("the key that signed it has expired")
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return errors.New("the key that signed it was revoked")
	}
	return err
}

func cause(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "there is no such file"
	}
	return err.Error()
}
