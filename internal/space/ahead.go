package space

import "maps"

// Waiting is a job that waits for a worker.
type Waiting struct {
	Job
	// Images are the base images that its steps are made from.
	Images []Image
}

// Image is a base image of a job.
type Image struct {
	Layers []int32 // bottom first
	Steps  []int32 // of the job, that are made from its files
}

// top is the layer that stands for all of the image.
func (i Image) top() int32 { return i.Layers[len(i.Layers)-1] }

// pulls are the layers that are pulled ahead of the jobs that need them.
type pulls struct {
	flying map[int32]int  // how many pulls are under way, by layer
	asked  map[int32]bool // layers that a job or a pull has begun to have here
	ahead  map[int32]bool // layers that were pulled, and for which no job has begun
}

func newPulls() pulls {
	return pulls{flying: map[int32]int{}, asked: map[int32]bool{}, ahead: map[int32]bool{}}
}

// Ahead chooses what is pulled next while others run, for jobs that wait in line: the
// images of the first that lacks any, and its place in the line. An image is chosen once,
// and never one that a job has begun with. Nobody has to wait for that: it is chosen only where
// the job and all before it would fit at once beside those that run, which fits tells of
// bytes that are yet to be added.
func (b *Book) Ahead(line []Waiting, fits func(bytes int64) bool) (place int, images []Image) {
	then := supposed(b)
	for place, w := range line {
		need, _ := then.Need(w.Job)
		if !fits(then.Reserved() + then.Pulling(w.Job) + need) {
			return 0, nil
		}
		for _, image := range w.Images {
			if b.lacks(image) {
				images = append(images, image)
			}
		}
		if len(images) > 0 {
			return place, images
		}
		then.hold(-1-place, w.Job) // a number that no job has
	}
	return 0, nil
}

// lacks tells whether a job would have an image pulled.
func (b *Book) lacks(image Image) bool {
	if len(image.Layers) == 0 || b.pulls.asked[image.top()] {
		return false
	}
	if _, there := b.present[image.top()]; there {
		return false
	}
	for _, step := range image.Steps {
		if _, there := b.present[step]; !there {
			return true
		}
	}
	return false
}

// supposed is a copy of a book in which jobs can be supposed to run.
func supposed(b *Book) *Book {
	c := *b
	c.making, c.running = maps.Clone(b.making), maps.Clone(b.running)
	return &c
}

// PullBegins notes that layers are being pulled ahead.
func (b *Book) PullBegins(layers []int32) {
	for _, v := range layers {
		_, there := b.present[v]
		_, made := b.making[v]
		if !there && !made {
			b.pulls.ahead[v] = true
		}
		b.pulls.asked[v] = true
		b.pulls.flying[v]++
	}
}

// PullEnds notes that they are not any more. Where that is since they are there, they count
// as what they are expected to take until the cache is looked at, and no running job has
// yet to add them.
func (b *Book) PullEnds(layers []int32, there bool) {
	for _, v := range layers {
		if b.pulls.flying[v]--; b.pulls.flying[v] == 0 {
			delete(b.pulls.flying, v)
		}
		if full, _ := b.of(v); full > b.present[v] {
			b.freed += full - b.present[v]
		}
		if !there {
			continue
		}
		if _, known := b.present[v]; !known {
			b.present[v], _ = b.of(v)
		}
		if job, made := b.making[v]; made {
			b.running[job].parts[v] = 0
		}
	}
}

// Pulling is the bytes that pulls have yet to add, beside what running jobs have reserved
// and what a job would reserve for itself.
func (b *Book) Pulling(beside Job) (bytes int64) {
	if len(b.pulls.flying) == 0 {
		return 0
	}
	own := make(map[int32]bool, len(beside.Vertices))
	for _, v := range beside.Vertices {
		own[v] = true
	}
	for v := range b.pulls.flying {
		has, there := b.present[v]
		_, made := b.making[v]
		if !made && (there || !own[v]) {
			full, _ := b.of(v)
			bytes += max(full-has, 0)
		}
	}
	return bytes
}

// PulledAhead tells whether a vertex is a layer that was pulled ahead, and that no job has
// begun with.
func (b *Book) PulledAhead(v int32) bool { return b.pulls.ahead[v] }

// HasAhead tells whether there are any.
func (b *Book) HasAhead() bool { return len(b.pulls.ahead) > 0 }

// take has a job that begins have what it needs, whoever has pulled it.
func (p *pulls) take(job Job) {
	for _, v := range job.Vertices {
		p.asked[v] = true
		delete(p.ahead, v)
	}
}
