package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/rows"
)

// How many fields a hint suggests to tell rows apart with.
const differingInHint = 3

// Which fields are suggested first, in this order. The row's number comes last.
var tellingFields = []string{rows.NameColumn, "id", "instance_id", "name", "Tag", "Dir", "Path"}

// inTag is what can stand in any part of a tag as it is.
var inTag = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// longestInTag is the most that a tag can have behind its colon.
const longestInTag = 128

// differing are actions of a template that tell rows apart, fit for a tag, the best first:
// fields whose values are others in each row.
func differing(all []map[string]any) (actions []string) {
	if len(all) == 0 {
		return nil
	}
	names := slices.Collect(maps.Keys(all[0]))
	rank := func(name string) int {
		switch i := slices.Index(tellingFields, name); {
		case name == rows.IndexColumn:
			return len(tellingFields) + 1
		case i < 0:
			return len(tellingFields)
		default:
			return i
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	for _, name := range names {
		if !word.MatchString(name) {
			continue
		}
		if action := telling(all, name); action != "" {
			actions = append(actions, action)
		}
	}
	return actions
}

// telling is the action that fills a field in where that tells rows apart: as it is where
// all values are fit for a tag, else made fit; empty where it does not.
func telling(all []map[string]any, name string) string {
	asIs, slugs, fit := map[string]bool{}, map[string]bool{}, true
	for _, columns := range all {
		switch columns[name].(type) {
		case string, int, int64, json.Number:
		default:
			return ""
		}
		text := fmt.Sprint(columns[name])
		if len(text) > longestInTag {
			return ""
		}
		asIs[text] = true
		if _, is := columns[name].(string); !is {
			continue
		}
		fit = fit && inTag.MatchString(text)
		if s := slug(text); s != "" {
			slugs[s] = true
		}
	}
	switch {
	case fit && len(asIs) == len(all):
		return "{{." + name + "}}"
	case !fit && len(slugs) == len(all):
		return "{{slug ." + name + "}}"
	}
	return ""
}

// differHint says with which fields a tag differs for rows.
func differHint(all []map[string]any) string {
	const hint = "make the tag differ for each image"
	actions := differing(all)
	if len(actions) == 0 {
		return hint
	}
	return hint + ", for example with " + strings.Join(actions[:min(len(actions), differingInHint)], " or ")
}
