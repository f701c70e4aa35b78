package graph

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// outputs are the records that an operation leaves, by the number of its output;
// nil for an output that it does not have. As of BuildKit v0.34, the result of a
// RUN is "mount PATH from exec ARGS" (Exec in its solver/llbsolver/ops/exec.go),
// and everything else has the name of its step.
func outputs(o operation, inputs [][]ID) []*Result {
	switch op := o.op.Op.(type) {
	case *pb.Op_Exec:
		return execOutputs(op.Exec, inputs)
	case *pb.Op_File:
		return fileOutputs(op.File, Normalize(o.name), inputs)
	}
	var on []ID
	for _, in := range inputs {
		on = append(on, in...)
	}
	return []*Result{{Description: Normalize(o.name), On: distinct(on)}}
}

func execOutputs(exec *pb.ExecOp, inputs [][]ID) []*Result {
	args := strings.Join(exec.GetMeta().GetArgs(), " ")
	out := make([]*Result, len(exec.GetMounts()))
	for _, m := range exec.GetMounts() {
		// These leave nothing, whatever output they name: secrets and SSH agents name
		// the first (in BuildKit's client/llb/exec.go).
		switch m.MountType {
		case pb.MountType_SECRET, pb.MountType_SSH, pb.MountType_TMPFS:
			continue
		}
		set(out, m.Output, Result{Description: fmt.Sprintf("mount %s from exec %s", m.Dest, args), On: at(inputs, m.Input)})
	}
	return out
}

// fileOutputs follows each output down to the input that the actions changed.
func fileOutputs(file *pb.FileOp, name string, inputs [][]ID) []*Result {
	actions := file.GetActions()
	bases := make([][]ID, len(actions))
	out := make([]*Result, len(actions))
	for i, a := range actions {
		switch before := a.Input - int64(len(inputs)); {
		case before >= 0 && before < int64(i):
			bases[i] = bases[before]
		default:
			bases[i] = at(inputs, a.Input)
		}
		set(out, a.Output, Result{Description: name, On: bases[i]})
	}
	return out
}

// set sets the nth output. There are no more of them than the list is long.
func set(out []*Result, n int64, r Result) {
	if n >= 0 && n < int64(len(out)) {
		out[n] = &r
	}
}

func at(inputs [][]ID, i int64) []ID {
	if i < 0 || i >= int64(len(inputs)) {
		return nil
	}
	return inputs[i]
}
