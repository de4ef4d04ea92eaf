package channel

import (
	"cmp"
	"container/heap"
	"slices"
)

// Way from what a device has to the release of a document: bundles in a row, or a pull.
type Way struct {
	// Deltas in the order to apply them; none for a pull.
	Deltas []*Delta
	// Pull is what is pulled instead.
	Pull []Image
	// Size of all of it, in bytes.
	Size int64
}

// Cheapest way from one of these versions, or from nothing, in bytes; of equal ones that with the fewest steps. Those that
// without says have been tried. Nil where there is none.
func (d *Document) Cheapest(platform string, from []string, without func(*Delta) bool, pull bool) *Way {
	images, deltas := d.On(platform)
	best := cheapestDeltas(deltas, append(from, None), d.Version, without)
	if !pull || len(images) == 0 {
		return best
	}
	pulled := &Way{Pull: images}
	for _, each := range images {
		if each.Reference == "" {
			return best
		}
		pulled.Size += each.Size
	}
	if best == nil || pulled.Size < best.Size {
		return pulled
	}
	return best
}

// cheapestDeltas is Dijkstra's algorithm: sizes are never negative. What is there of the release itself is no way to it.
func cheapestDeltas(deltas []Delta, from []string, to string, without func(*Delta) bool) *Way {
	leading := map[string][]*Delta{}
	for at := range deltas {
		if each := &deltas[at]; !without(each) {
			leading[each.From] = append(leading[each.From], each)
		}
	}
	known := map[string]*reached{}
	open := &nearest{}
	reach := func(r *reached) {
		if best := known[r.version]; best == nil || r.compare(best) < 0 {
			known[r.version] = r
			heap.Push(open, r)
		}
	}
	for _, each := range from {
		if each != to {
			reach(&reached{version: each})
		}
	}
	for open.Len() > 0 {
		r := heap.Pop(open).(*reached)
		if r.version == to {
			return r.way()
		}
		if known[r.version] != r {
			continue // a cheaper one was found meanwhile
		}
		for _, each := range leading[r.version] {
			reach(&reached{version: each.To, size: r.size + each.Size, steps: r.steps + 1, by: each, before: r})
		}
	}
	return nil
}

// reached is a version with the cheapest way to it that is known.
type reached struct {
	version string
	size    int64
	steps   int
	// by is the last step, from what was reached before; nil for what the device has.
	by     *Delta
	before *reached
}

func (r *reached) compare(other *reached) int {
	return cmp.Or(cmp.Compare(r.size, other.size), cmp.Compare(r.steps, other.steps))
}

func (r *reached) way() *Way {
	way := &Way{Size: r.size}
	for ; r.by != nil; r = r.before {
		way.Deltas = append(way.Deltas, r.by)
	}
	slices.Reverse(way.Deltas)
	return way
}

// nearest is the heap of what was reached.
type nearest []*reached

func (n nearest) Len() int { return len(n) }
func (n nearest) Less(i, j int) bool {
	return cmp.Or(n[i].compare(n[j]), cmp.Compare(n[i].version, n[j].version)) < 0
}
func (n nearest) Swap(i, j int) { n[i], n[j] = n[j], n[i] }
func (n *nearest) Push(x any)   { *n = append(*n, x.(*reached)) }

func (n *nearest) Pop() any {
	last := len(*n) - 1
	popped := (*n)[last]
	*n = (*n)[:last]
	return popped
}
