package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// LayersOfRuns tells for each RUN step, by its name, how many different layers images have of it.
// It is given the names of the images' last RUN steps by their references. A step that writes
// something random and ran once has one layer in all images that share it; of a step that ran
// again, only what came into an image is seen, which a Tally counts better where steps can reach
// one.
func LayersOfRuns(ctx context.Context, images map[string][]string, opts ...remote.Option) (map[string]int, error) {
	var mu sync.Mutex
	seen := map[string]map[string]bool{} // layers by step
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushers)
	for ref, runs := range images {
		group.Go(func() error {
			layers, err := runLayers(ctx, ref, opts...)
			if err != nil {
				return err
			}
			if len(layers) < len(runs) {
				return fmt.Errorf("%s has %d layers of RUN steps, want %d", ref, len(layers), len(runs))
			}
			layers = layers[len(layers)-len(runs):]
			mu.Lock()
			defer mu.Unlock()
			for i, name := range runs {
				if seen[name] == nil {
					seen[name] = map[string]bool{}
				}
				seen[name][layers[i]] = true
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for name, layers := range seen {
		counts[name] = len(layers)
	}
	return counts, nil
}

// runLayers are the layers, unpacked, that RUN steps left in an image, by the image's history.
func runLayers(ctx context.Context, ref string, opts ...remote.Option) ([]string, error) {
	image, err := PullImage(ctx, ref, opts...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	var layers []string
	place := 0
	for _, step := range config.History {
		if step.EmptyLayer {
			continue
		}
		if place == len(config.RootFS.DiffIDs) {
			return nil, fmt.Errorf("%s has a history of more layers than it has", ref)
		}
		if strings.HasPrefix(step.CreatedBy, "RUN ") {
			layers = append(layers, config.RootFS.DiffIDs[place].String())
		}
		place++
	}
	return layers, nil
}
