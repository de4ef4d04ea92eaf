package update_test

import (
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/sample"
)

func TestFollowPull(t *testing.T) {
	eachServed(t, func(s *served) {
		s.pullable(1000, s.two)
		if got := s.outlook(); got.Way.Kind != "pull" || got.Way.Size != 1000 {
			s.Errorf("%+v", got.Way)
		}
		s.updated("2.0.0")
		if len(s.requests) != 0 || s.engine.Tagged("app:2.0.0") == "" {
			s.Errorf("%v was downloaded, app:2.0.0 is %q", s.requests, s.engine.Tagged("app:2.0.0"))
		}
	})
}

func TestPulledImageIsReadFromBlobs(t *testing.T) {
	s := newServed(t, engine.Containerd)
	s.engine.PutBlobs(t)
	saved := s.saved()
	s.pullable(1000, s.two)
	s.updated("2.0.0")
	if *saved != 0 || len(s.requests) != 0 {
		t.Errorf("%d times saved, %v was downloaded", *saved, s.requests)
	}
}

// A registry that has another image under the digest, or none: the delta is taken, and nothing is left.
func TestFollowWrongPull(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		other := newServed(t, store)
		config := sample.NewImage("other", other.two.Layers...)
		for name, image := range map[string]*sample.Image{"none": nil, "another": config,
			"the manifest with another config": {Layers: other.two.Layers, Config: config.Config, Manifest: other.two.Manifest}} {
			t.Run(name, func(t *testing.T) {
				s := newServed(t, store)
				s.device.T = t
				s.pullable(1000, image)
				s.updated("2.0.0")
				if len(s.requests) != 1 {
					t.Errorf("%v was downloaded", s.requests)
				}
			})
		}
	})
}
