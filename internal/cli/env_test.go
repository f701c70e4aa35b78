package cli

import (
	"testing"

	"github.com/spf13/pflag"
)

// Who comes from the reference implementation finds its variables understood.
func TestForeignVariables(t *testing.T) {
	tests := []struct {
		env  map[string]string
		args []string
		flag string
		want string
	}{
		{map[string]string{"BUILDKIT_COMPLETED_BATCH_PRUNE_ENABLED": "1"}, nil, "prune", "completed"},
		{map[string]string{"BUILDKIT_COMPLETED_BATCH_PRUNE_ENABLED": "0"}, nil, "prune", "off"},
		{map[string]string{"BUILDKIT_COMPLETED_BATCH_PRUNE_ENABLED": "False"}, nil, "prune", "off"},
		{map[string]string{"BUILDKIT_COMPLETED_BATCH_PRUNE_ENABLED": "1", "STOKER_PRUNE": "auto"}, nil, "prune", "auto"},
		{map[string]string{"STOKER_PRUNE": "auto"}, []string{"--prune", "off"}, "prune", "off"},
		{map[string]string{"BUILDKIT_COMPLETED_BATCH_PRUNE_TIMEOUT_SEC": "90"}, nil, "prune-timeout", "1m30s"},
		{map[string]string{"BUILDKIT_PRUNE_KEEP_GB": "40"}, nil, "keep-storage", "40GB"},
		{map[string]string{"BUILDKIT_PRUNE_THRESHOLD_PCT": "72.5"}, nil, "prune-threshold", "72.5"},
		{map[string]string{"BUILDKIT_PRUNE_THRESHOLD_PCT": ""}, nil, "prune-threshold", "60"},
		{map[string]string{"BUILDKIT_RESET_ON_FAILURE": "0"}, nil, "recover", "false"},
		{map[string]string{"BUILDKIT_RESET_ON_FAILURE": "yes"}, nil, "recover", "true"},
		{map[string]string{"BUILDKIT_RESET_THROTTLE_SEC": "300"}, nil, "recover-interval", "5m0s"},
		{map[string]string{"BUILDKIT_RESET_LOCK": "/tmp/lock"}, nil, "recover-lock", "/tmp/lock"},
	}
	for _, tt := range tests {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		var prune pruneOptions
		var run runOptions
		prune.addTo(flags)
		run.addTo(flags)
		if err := flags.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		lookup := func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }
		if err := flagsFromEnv(flags, lookup); err != nil {
			t.Errorf("%v: %v", tt.env, err)
		}
		if got := flags.Lookup(tt.flag).Value.String(); got != tt.want {
			t.Errorf("%v %v: --%s is %q, want %q", tt.env, tt.args, tt.flag, got, tt.want)
		}
	}
}

func TestSizeFlag(t *testing.T) {
	for text, want := range map[string]int64{"60GB": 60e9, "1.5g": 1.5e9, "500": 500, "0": 0, "60GiB": 60 << 30} {
		var s sizeFlag
		if err := s.Set(text); err != nil || s.bytes != want {
			t.Errorf("%q is %d (%v), want %d", text, s.bytes, err, want)
		}
	}
	for _, text := range []string{"", "many", "-5GB", "5 parsecs"} {
		var s sizeFlag
		if err := s.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, s.bytes)
		}
	}
}
