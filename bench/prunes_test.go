package main

import (
	"encoding/json"
	"testing"
)

// Who bakes, or prunes after each image, must build what the others do.
func TestCommandsOfPeers(t *testing.T) {
	want := "for each image, 3 at once: buildx build --builder bench --push --progress plain -t REGISTRY/out/NAME:1 --build-arg BASE_IMAGE=BASE " +
		"--build-arg BUILDER_IMAGE=BUILDER CONTEXT && buildx prune --builder bench --all --force --keep-storage 600MB"
	if got := pruneEachWay("buildx", 3, 600*mb).line; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p := standIn(3, agentArg("BUILDER"))
	p.jobs = []job{standInJob}
	text, err := json.Marshal(p.bakeTargets())
	want = `{"group":{"default":{"targets":["NAME"]}},"target":{"NAME":{"context":"CONTEXT","args":{"BASE_IMAGE":"BASE","BUILDER_IMAGE":"BUILDER"},"tags":["REGISTRY/out/NAME:1"]}}}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}
