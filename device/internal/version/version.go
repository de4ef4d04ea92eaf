// Package version compares versions as semver.org orders them.
package version

import (
	"cmp"
	"strings"
)

// Compare tells which of two versions is lower; false where one of them is none. Build metadata decides between versions
// that are equal otherwise, so that no two releases are the same.
func Compare(a, b string) (int, bool) {
	first, ok := parse(a)
	second, alsoOK := parse(b)
	if !ok || !alsoOK {
		return 0, false
	}
	for at := range first.numbers {
		if order := compareNumbers(first.numbers[at], second.numbers[at]); order != 0 {
			return order, true
		}
	}
	switch {
	case first.pre == second.pre:
	case first.pre == "":
		return 1, true
	case second.pre == "":
		return -1, true
	default:
		if order := compareParts(first.pre, second.pre); order != 0 {
			return order, true
		}
	}
	switch {
	case first.build == second.build:
		return 0, true
	case first.build == "":
		return -1, true
	case second.build == "":
		return 1, true
	}
	return compareParts(first.build, second.build), true
}

type parsed struct {
	numbers    [3]string
	pre, build string
}

func parse(text string) (p parsed, ok bool) {
	text, p.build, _ = strings.Cut(text, "+")
	text, p.pre, _ = strings.Cut(text, "-")
	numbers := strings.Split(text, ".")
	if len(numbers) != len(p.numbers) {
		return p, false
	}
	for at, each := range numbers {
		if !isNumber(each) {
			return p, false
		}
		p.numbers[at] = each
	}
	return p, true
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// compareNumbers of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if order := cmp.Compare(len(a), len(b)); order != 0 {
		return order
	}
	return cmp.Compare(a, b)
}

// compareParts between the dots: numbers by value and below words, words by their bytes; what is missing is lowest.
func compareParts(a, b string) int {
	first, second := strings.Split(a, "."), strings.Split(b, ".")
	for at := range min(len(first), len(second)) {
		one, other := first[at], second[at]
		var order int
		switch {
		case isNumber(one) && isNumber(other):
			order = compareNumbers(one, other)
		case isNumber(one):
			order = -1
		case isNumber(other):
			order = 1
		default:
			order = cmp.Compare(one, other)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(first), len(second))
}
