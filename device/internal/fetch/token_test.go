package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/fetch"
)

// registry is one that gives everybody a token for what is public, and sends for blobs to another host. Each token is good
// for one request.
type registry struct {
	*httptest.Server
	// realm that it names; "" for its own.
	realm string
	// private: the token service gives none.
	private bool
	tokens  int
	good    map[string]bool
}

func newRegistry(t *testing.T, blobs string) *registry {
	r := &registry{good: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { r.serve(w, request, blobs) }))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) serve(w http.ResponseWriter, request *http.Request, blobs string) {
	if request.URL.Path == "/token" {
		if r.private || request.URL.Query().Get("scope") != "repository:acme/app:pull" || request.URL.Query().Get("service") != "reg" {
			http.Error(w, "denied", http.StatusForbidden)
			return
		}
		r.tokens++
		token := fmt.Sprintf("token%d", r.tokens)
		r.good[token] = true
		fmt.Fprintf(w, `{"token":%q}`, token)
		return
	}
	token := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !r.good[token] {
		realm := r.realm
		if realm == "" {
			realm = r.URL + "/token"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="reg",scope="repository:acme/app:pull"`, realm))
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	delete(r.good, token)
	http.Redirect(w, request, blobs, http.StatusTemporaryRedirect)
}

// storage keeps the blobs of a registry: it breaks off, and refuses who brings a token that is not for it.
func storage(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "a token of somebody else", http.StatusBadRequest)
			return
		}
		served := &cut{w, 120_000}
		http.ServeContent(served, r, "", time.Time{}, bytes.NewReader(file))
		if served.left <= 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestFromRegistry(t *testing.T) {
	r := newRegistry(t, storage(t))
	got, err := known(r.URL+"/v2/acme/app/blobs/sha256:0").Fetch(context.Background(), t.TempDir(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, got), file) {
		t.Error("other bytes came")
	}
	if r.tokens != 3 {
		t.Errorf("%d tokens for three connections", r.tokens)
	}
}

func TestFromPrivateRegistry(t *testing.T) {
	r := newRegistry(t, storage(t))
	r.private = true
	_, err := known(r.URL+"/v2/acme/app/blobs/sha256:0").Fetch(context.Background(), t.TempDir(), quiet)
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v", err)
	}
	good, _ := serve(t, file, true)
	if _, err := known(r.URL, good).Fetch(context.Background(), t.TempDir(), quiet); err != nil {
		t.Error(err)
	}
}

// An encrypted registry that sends for a token to an address in the clear is not followed there.
func TestTokenInTheClear(t *testing.T) {
	r := newRegistry(t, storage(t))
	secured := httptest.NewTLSServer(r.Config.Handler)
	defer secured.Close()
	defer fetch.Trust(secured.Client().Transport)()
	_, err := known(secured.URL+"/v2/acme/app/blobs/sha256:0").Fetch(context.Background(), t.TempDir(), quiet)
	if err == nil || !strings.Contains(err.Error(), "not encrypted") || r.tokens != 0 {
		t.Errorf("got %v after %d tokens", err, r.tokens)
	}
}
