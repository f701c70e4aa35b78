package cli

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/plan"
)

// jobIndex is the variable that tells a pod of an indexed Job of Kubernetes which one it
// is; the first is 0.
const jobIndex = "JOB_COMPLETION_INDEX"

// autoShard stands for the number of a shard that the environment tells.
const autoShard = "auto"

// addShard adds the flag of the part of the jobs that is built.
func (o *inputOptions) addShard(f *pflag.FlagSet) {
	f.Var(&shardFlag{shard: &o.shard}, "shard", "build only shard `I/N`: of N parts that are about equally large the I-th; the first is 1; auto/N in an indexed Job of Kubernetes")
}

// shardFlag is a part of the jobs.
type shardFlag struct {
	shard *plan.Shard
	auto  bool
}

// Set implements pflag.Value.
func (f *shardFlag) Set(text string) (err error) {
	number, of, _ := strings.Cut(text, "/")
	if f.auto = number == autoShard; f.auto {
		if text, err = shardOfPod(text, of); err != nil {
			return err
		}
	}
	*f.shard, err = plan.ParseShard(text)
	return err
}

// shardOfPod returns the shard that auto/N stands for here.
func shardOfPod(text, of string) (string, error) {
	if _, err := plan.ParseShard("1/" + of); err != nil {
		return "", fmt.Errorf("%q is not auto/N, such as auto/4 in an indexed Job of 4 pods", text)
	}
	value := os.Getenv(jobIndex)
	index, err := strconv.Atoi(value)
	if err != nil || index < 0 {
		return "", fmt.Errorf("%q takes the number of the shard from %s, counted from 0, which is %s: say which one it is, such as 1/%s",
			text, jobIndex, cmp.Or(value, "not set"), of)
	}
	shard := fmt.Sprintf("%d/%s", index+1, of)
	if _, err := plan.ParseShard(shard); err != nil {
		return "", fmt.Errorf("%q: %s is %d, so that the last shard is the %d-th at least: give as many shards as the Job has completions", text, jobIndex, index, index+1)
	}
	return shard, nil
}

// String implements pflag.Value.
func (f *shardFlag) String() string {
	if f.shard == nil {
		return ""
	}
	return f.shard.String()
}

// Type implements pflag.Value.
func (f *shardFlag) Type() string { return "I/N" }

// shardVariable returns what a command needs besides its flags where the environment says
// which shard is built; none where it does not.
func shardVariable(flags *pflag.FlagSet) []string {
	f := flags.Lookup("shard")
	if f == nil {
		return nil
	}
	if shard, is := f.Value.(*shardFlag); is && shard.auto {
		return []string{fmt.Sprintf("%s=%d", jobIndex, shard.shard.Number-1)}
	}
	return nil
}
