package channel

import "cmp"

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

// cheapestDeltas is Dijkstra's algorithm: sizes are never negative.
func cheapestDeltas(deltas []Delta, from []string, to string, without func(*Delta) bool) *Way {
	ways := map[string]*Way{}
	for _, each := range from {
		ways[each] = &Way{}
	}
	settled := map[string]bool{}
	leading := map[string][]*Delta{}
	for at := range deltas {
		if each := &deltas[at]; !without(each) {
			leading[each.From] = append(leading[each.From], each)
		}
	}
	for {
		place, way := "", (*Way)(nil)
		for each, known := range ways {
			if !settled[each] && (way == nil || compareWays(known, way) < 0 || compareWays(known, way) == 0 && each < place) {
				place, way = each, known
			}
		}
		if way == nil {
			return nil
		}
		if place == to && len(way.Deltas) > 0 {
			return way
		}
		settled[place] = true
		for _, each := range leading[place] {
			next := &Way{Deltas: append(append([]*Delta{}, way.Deltas...), each), Size: way.Size + each.Size}
			if known := ways[each.To]; !settled[each.To] && (known == nil || compareWays(next, known) < 0) {
				ways[each.To] = next
			}
		}
	}
}

func compareWays(a, b *Way) int {
	return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(len(a.Deltas), len(b.Deltas)))
}
