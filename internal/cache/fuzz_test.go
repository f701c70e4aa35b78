package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// FuzzClassify builds any graph of records from bytes, five for each: who it
// is, its parents, what it says and its marks. Nothing may panic or hang, and
// the report must hold together.
func FuzzClassify(f *testing.F) {
	f.Add([]byte{}, uint8(0), true)
	f.Add([]byte{0, 255, 255, 2, 0, 1, 0, 255, 2, 0, 2, 1, 255, 2, 0, 3, 2, 255, 6, 0}, uint8(1), true) // an image and a step
	f.Add([]byte{0, 1, 255, 2, 0, 1, 0, 255, 6, 0}, uint8(3), false)                                    // a circle
	f.Add([]byte{0, 0, 0, 6, 0}, uint8(3), true)                                                        // its own parent
	f.Add([]byte{0, 255, 255, 2, 0, 0, 255, 255, 3, 0, 1, 0, 0, 6, 0}, uint8(2), true)                  // the same id twice
	f.Add([]byte{0, 255, 255, 0, 8, 1, 0, 255, 0, 8, 2, 0, 1, 7, 1}, uint8(0), true)                    // no names, a merge, in use
	f.Add([]byte(strings.Repeat("\x00\xff\xff\x02\x00\x01\x00\xff\x06\x10", 40)), uint8(3), false)
	f.Fuzz(func(t *testing.T, data []byte, finished uint8, exclusive bool) {
		v := View{Needs: NewNeeds(jobs(env1, env2, debian)), Steps: ours, Before: set("3 4 5"), Exclusive: exclusive}
		descriptions := []string{"", "pulled from", "pulled from @", pulled(env1), pulled(env2), pulled(alien), "our RUN", "their RUN"}
		kinds := []string{"", KindRegular, KindLocal, KindCacheMount, "unheard of"}
		for ; len(data) >= 5; data = data[5:] {
			r := Record{ID: fmt.Sprint(data[0])}
			for _, p := range data[1:3] {
				if p != 255 {
					r.Parents = append(r.Parents, fmt.Sprint(p))
				}
			}
			r.Description = descriptions[int(data[3])%len(descriptions)]
			r.InUse = data[4]&1 != 0
			r.Kind = kinds[int(data[4]>>1)%len(kinds)]
			r.Size = int64(data[4])
			r.LastUsedAt = time.Unix(int64(data[3]), 0)
			v.Records = append(v.Records, r)
		}
		for id := range 3 {
			if finished&(1<<id) != 0 {
				v.Needs.Finish(id)
			}
		}
		checkReport(t, Classify(v))
	})
}
