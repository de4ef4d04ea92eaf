package containerd

import (
	"context"
	"errors"
)

// Lease keeps what somebody works on from being collected. Whoever is killed leaves it.
type Lease struct {
	ID string
	// Expires says that it ends by itself: clients that pull or unpack take one for 24 hours.
	Expires bool
	// Resources by their names, of each type: `snapshots/overlayfs`.
	Resources map[string][]string
}

const leaseService = "leases.v1.Leases/"

// expiring is the label of leases that end by themselves.
const expiring = "containerd.io/gc.expire"

// Leases of the namespace (containerd, api/services/leases/v1/leases.proto). Those that somebody ends meanwhile are left out.
func (c *Client) Leases(ctx context.Context) ([]Lease, error) {
	answer, err := c.call(ctx, leaseService+"List", nil)
	if err != nil {
		return nil, err
	}
	var listed []Lease
	err = eachBytes(answer, func(field int, message []byte) error {
		if field != 1 {
			return nil
		}
		lease, err := parseLease(message)
		listed = append(listed, lease)
		return err
	})
	if err != nil {
		return nil, err
	}
	var leases []Lease
	for _, lease := range listed {
		lease.Resources, err = c.resources(ctx, lease.ID)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
	}
	return leases, nil
}

// EndLease gives up what a lease holds. What nothing else keeps is gone when it returns.
func (c *Client) EndLease(ctx context.Context, id string) error {
	request := appendBytes(nil, 1, []byte(id))
	if _, err := c.call(ctx, leaseService+"Delete", appendTrue(request, 2)); !errors.Is(err, errNotFound) {
		return err
	}
	return nil
}

func parseLease(message []byte) (lease Lease, err error) {
	err = eachBytes(message, func(field int, value []byte) error {
		switch field {
		case 1:
			lease.ID = string(value)
		case 3:
			return eachBytes(value, func(field int, text []byte) error {
				lease.Expires = lease.Expires || field == 1 && string(text) == expiring
				return nil
			})
		}
		return nil
	})
	return lease, err
}

func (c *Client) resources(ctx context.Context, lease string) (map[string][]string, error) {
	answer, err := c.call(ctx, leaseService+"ListResources", appendBytes(nil, 1, []byte(lease)))
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	return found, eachBytes(answer, func(field int, resource []byte) error {
		if field != 1 {
			return nil
		}
		var id, kind string
		err := eachBytes(resource, func(field int, value []byte) error {
			switch field {
			case 1:
				id = string(value)
			case 2:
				kind = string(value)
			}
			return nil
		})
		found[kind] = append(found[kind], id)
		return err
	})
}
