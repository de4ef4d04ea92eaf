package containerd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/containerd"
)

// service answers as containerd does, with what a test says.
type service struct {
	// answers by method, or grpc-status and grpc-message after a colon.
	answers map[string]string
	asked   []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	method := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.asked = append(s.asked, r.Header.Get("Containerd-Namespace")+" "+method+" "+string(body[5:]))
	answer := s.answers[method]
	w.Header().Set("Content-Type", "application/grpc")
	if refused, ok := strings.CutPrefix(answer, "refused:"); ok {
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", refused)
		return
	}
	w.Header().Set("Trailer", "Grpc-Status")
	w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer))), answer...))
	w.Header().Set("Grpc-Status", "0")
}

func (s *service) connect(t *testing.T) *containerd.Client {
	path := filepath.Join(t.TempDir(), "containerd.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: s, Protocols: &protocols}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	client := containerd.Connect("unix://"+path, "moby")
	t.Cleanup(client.Close)
	return client
}

// Written by hand, as protoc encodes them: a lease with an ID, a time, and a label that expires; and one with an ID alone.
const (
	twoLeases = "\x0a\x2d\x0a\x02L1\x12\x06\x08\xd7\x85\xd3\xc9\x06\x1a\x1f\x0a\x17containerd.io/gc.expire\x12\x04soon" +
		"\x0a\x04\x0a\x02L2"
	holds = "\x0a\x1c\x0a\x05sha:A\x12\x13snapshots/overlayfs"
)

func TestLeases(t *testing.T) {
	s := &service{answers: map[string]string{"List": twoLeases, "ListResources": holds}}
	client := s.connect(t)
	leases, err := client.Leases(context.Background())
	held := map[string][]string{"snapshots/overlayfs": {"sha:A"}}
	expected := []containerd.Lease{{ID: "L1", Expires: true, Resources: held}, {ID: "L2", Resources: held}}
	if err != nil || !reflect.DeepEqual(leases, expected) {
		t.Errorf("%+v, %v", leases, err)
	}
	if err := client.EndLease(context.Background(), "L1"); err != nil {
		t.Fatal(err)
	}
	asked := []string{"moby List ", "moby ListResources \x0a\x02L1", "moby ListResources \x0a\x02L2", "moby Delete \x0a\x02L1\x10\x01"}
	if !slices.Equal(s.asked, asked) {
		t.Errorf("asked %q", s.asked)
	}
}

// Docker ends leases of its own at any moment.
func TestLeasesThatEnd(t *testing.T) {
	gone := "refused:lease: not found"
	client := (&service{answers: map[string]string{"List": twoLeases, "ListResources": gone, "Delete": gone}}).connect(t)
	if leases, err := client.Leases(t.Context()); err != nil || len(leases) > 0 {
		t.Errorf("%+v, %v", leases, err)
	}
	if err := client.EndLease(t.Context(), "L1"); err != nil {
		t.Error(err)
	}
}

func TestRefusedOrOther(t *testing.T) {
	for answer, expected := range map[string]string{
		"refused:no%20such lease": "no such lease (code 5)",
		"\x0a\x7fshort":           "no protocol buffer",
		"\x0b":                    "no protocol buffer",
	} {
		_, err := (&service{answers: map[string]string{"List": answer}}).connect(t).Leases(context.Background())
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%q: %v", answer, err)
		}
	}
	_, err := containerd.Connect(filepath.Join(t.TempDir(), "none"), "moby").Leases(context.Background())
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no socket: %v", err)
	}
	stopped, stop := context.WithCancelCause(context.Background())
	reason := errors.New("stopped")
	stop(reason)
	if _, err := (&service{}).connect(t).Leases(stopped); !errors.Is(err, reason) {
		t.Errorf("stopped: %v", err)
	}
}

// FuzzAnswers: whatever answers there, no panic and an end.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(twoLeases))
	f.Add([]byte(holds))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		visits := 0
		containerd.EachBytes(bytes, func(int, []byte) error { visits++; return nil })
		if visits > len(bytes) {
			t.Errorf("%d fields in %d bytes", visits, len(bytes))
		}
	})
}
