package ledger

import "fmt"

// TagsExist says that jobs were skipped since their tags exist, which nobody sees who
// has changed the Dockerfile since, and what to do then; empty where none was.
func (s Summary) TagsExist() string {
	apart := "; {{.GraphHash}} in a tag tells versions apart"
	if s.TagsHashed {
		apart = ""
	}
	switch n := s.SkipReasons[TagExists] + s.SkipReasons[CutShortExists] - s.KeptSkipped - s.CutShortExist; {
	case n > 1:
		return fmt.Sprintf("%d tags exist already: --force builds them again%s", n, apart)
	case n == 1:
		return "1 tag exists already: --force builds it again" + apart
	}
	return ""
}

// PushedBefore says that jobs were skipped which were cut short, and whose tags exist: most
// likely their images were pushed just before that; empty where none was.
func (s Summary) PushedBefore() string {
	switch n := s.CutShortExist; {
	case n > 1:
		return fmt.Sprintf("%d jobs that were cut short are done, since their tags exist", n)
	case n == 1:
		return "1 job that was cut short is done, since its tag exists"
	}
	return ""
}
