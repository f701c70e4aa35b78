package bake

import (
	"os"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/plan"
)

func TestFaults(t *testing.T) {
	const app = "target \"app\" {\n  dockerfile-inline = \"FROM scratch\\n\"\n  tags = [\"registry.example/app:1\"]\n  output = [\"type=registry\"]\n}\n"
	const matrix = "target \"svc\" {\n  name = \"svc-${v}\"\n  matrix = { v = [\"1\", \"2\"] }\n  dockerfile-inline = \"FROM scratch\\n\"\n}\n"
	chain := func(name, on string) string {
		return "target \"" + name + "\" {\n  dockerfile-inline = \"FROM b\\n\"\n  contexts = { b = \"target:" + on + "\" }\n}\n"
	}
	for name, tt := range map[string]struct {
		text string
		ask  Question
		want []string
	}{
		"unknown target":   {app, Question{Targets: []string{"appp"}}, []string{`docker-bake.hcl: no target or group is named "appp"; did you mean app?`, "targets and groups: app"}},
		"no default":       {app, Question{}, []string{`none or no group is named "default"`, "targets and groups: app"}},
		"no match":         {app, Question{Targets: []string{"x*"}}, []string{`no target or group matches "x*"`}},
		"unknown variable": {`variable "VERSION" {}` + "\n" + app, Question{Targets: []string{"app"}, Vars: map[string]string{"VERSON": "1"}}, []string{`--var: no variable is named "VERSON"; did you mean VERSION?`, "variables of docker-bake.hcl: VERSION"}},
		"no variables":     {app, Question{Targets: []string{"app"}, Vars: map[string]string{"V": "1"}}, []string{"docker-bake.hcl has no variables"}},
		"no file":          {app, Question{Files: []string{"other.hcl"}}, []string{`-f: the bake file "other.hcl" does not exist`}},
		"torn":             {"target \"app\" {\n  tags = [\n", Question{}, []string{"docker-bake.hcl: ", "line 3, column 1: "}},
		"a mistake":        {"target \"app\" {\n  tags = VERSION\n}\n", Question{}, []string{"docker-bake.hcl: line 2, column 10: Unknown variable"}},
		"a circle":         {chain("a", "b") + chain("b", "a"), Question{Targets: []string{"a"}}, []string{"docker-bake.hcl: targets are built on each other in a circle: b is built on a, and that at last on b"}},
		"on itself":        {chain("a", "a"), Question{Targets: []string{"a"}}, []string{"target a: contexts: it cannot be built on itself"}},
		"on nothing":       {app + chain("a", "ap"), Question{Targets: []string{"a"}}, []string{"no target is named ap, as inherits or contexts of another say", "targets and groups: a, app"}},
		"one tag": {app + strings.Replace(app, "app", "other", 1), Question{Targets: []string{"app", "other"}},
			[]string{"tags: 2 jobs would get the tag registry.example/app:1: app, other", "give each target tags of its own"}},
		"one file": {strings.Replace(app+strings.ReplaceAll(app, "app", "other"), "type=registry", "type=oci,dest=x.tar", 2), Question{Targets: []string{"*"}},
			[]string{"output: 2 jobs would write to x.tar: app, other"}},
		"no tag":           {strings.Replace(app, "tags", "#", 1), Question{Targets: []string{"app"}}, []string{"docker-bake.hcl: target app: tags: a tag is needed when pushing", "tags = [\"registry.example/app:1\"]"}},
		"bad tag":          {strings.Replace(app, "/app:1", "/APP:1", 1), Question{Targets: []string{"app"}}, []string{`target app: tags: "registry.example/APP:1" is not a valid tag`, "write the repository in lower case"}},
		"no Dockerfile":    {"target \"app\" {\n  context = \"no\"\n}\n", Question{Targets: []string{"app"}}, []string{`target app: context: build context "no" is not a directory`}},
		"no such file":     {"target \"app\" {\n  dockerfile = \"D\"\n}\n", Question{Targets: []string{"app"}}, []string{`target app: dockerfile: Dockerfile "D" does not exist`, "name it with dockerfile"}},
		"no such stage":    {strings.Replace(app, "tags", "target = \"run\"\n tags", 1), Question{Targets: []string{"app"}}, []string{`target app: dockerfile-inline: no stage is named "run", as its target asks`}},
		"no such context":  {strings.Replace(app, "tags", "contexts = { src = \"no\" }\n tags", 1), Question{Targets: []string{"app"}}, []string{`target app: contexts: src: "no" is not a directory`}},
		"bad override":     {app, Question{Targets: []string{"app"}, Overrides: []string{"other.args.A=1"}}, []string{"--set: no target matches other", "targets and groups: app"}},
		"a matrix's group": {matrix, Question{Targets: []string{"svc"}, Overrides: []string{"svc.args.A=1"}}, []string{"--set: svc is the group of a matrix", "write 'svc-*'"}},
		"a matrix named otherwise": {strings.Replace(matrix, "svc-$", "x-$", 1), Question{Targets: []string{"svc"}, Overrides: []string{"svc.args.A=1"}},
			[]string{"--set: svc is the group of a matrix", "name these: x-1, x-2"}},
		"a group":      {app + "group \"all\" { targets = [\"app\"] }\n", Question{Targets: []string{"app"}, Overrides: []string{"all.args.A=1"}}, []string{"--set: all is a group, and only targets have attributes"}},
		"no attribute": {app, Question{Targets: []string{"app"}, Overrides: []string{"app.colour=red"}}, []string{"--set: targets have no attribute colour"}},
		"no override":  {app, Question{Targets: []string{"app"}, Overrides: []string{"app"}}, []string{"--set: ", "TARGET.ATTRIBUTE=VALUE"}},
		"not allowed": {strings.Replace(app, "tags", "entitlements = [\"network.host\"]\n context = \"/etc\"\n tags", 1), Question{Targets: []string{"app"}},
			[]string{"docker-bake.hcl: target app: --allow: it does what is not allowed without --allow=network.host --allow=fs.read=/etc"}},
		"bad allowance":   {app, Question{Targets: []string{"app"}, Allow: []string{"all"}}, []string{"--allow: ", "network.host, security.insecure"}},
		"another call":    {strings.Replace(app, "tags", "call = \"other\"\n tags", 1), Question{Targets: []string{"app"}}, []string{`target app: call: "other": "other" is neither build nor check, outline or targets`}},
		"standard input":  {"", Question{Files: []string{"-"}, Stdin: strings.NewReader("target \"a\" {\n  tags = V\n}\n")}, []string{"standard input: line 2, column 10"}},
		"an output twice": {strings.Replace(app, "type=registry", "type=imag", 1), Question{Targets: []string{"app"}}, []string{`target app: output`, "imag"}},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"docker-bake.hcl": tt.text})
			var p *plan.Plan
			r, err := resolve(t, tt.ask)
			if err == nil {
				p, err = r.Plan(plan.TargetSpec{})
			}
			if err == nil {
				_ = p.Close()
				t.Fatal("nothing is wrong")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q", err, want)
				}
			}
		})
	}
}

func TestNoFiles(t *testing.T) {
	write(t, nil)
	if _, err := Read(t.Context(), Question{}); err == nil || !strings.Contains(err.Error(), "-f: no bake file is here") {
		t.Errorf("error %v", err)
	}
	t.Setenv("BUILDX_BAKE_FILE", "one.hcl:two.hcl")
	if err := os.WriteFile("one.hcl", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), Question{}); err == nil || !strings.Contains(err.Error(), `BUILDX_BAKE_FILE: the bake file "two.hcl" does not exist`) {
		t.Errorf("error %v", err)
	}
}

// In a compose file a tag is what it calls an image.
func TestTagsOfCompose(t *testing.T) {
	write(t, map[string]string{"Dockerfile": "FROM scratch\n", "compose.yaml": "services:\n  app:\n    build: .\n"})
	r, err := resolve(t, Question{Targets: []string{"app"}, Overrides: []string{"*.output=type=registry"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Plan(plan.TargetSpec{})
	if err == nil || !strings.Contains(err.Error(), "a tag is needed when pushing to a registry\ngive each service an image, such as image: registry.example/app:1") {
		t.Errorf("error %v", err)
	}
}

// What is allowed is built; targets that others are built on are no jobs unless they are
// asked for, and their jobs' names differ where case does not count.
func TestPlan(t *testing.T) {
	write(t, map[string]string{"docker-bake.hcl": `
target "base" { dockerfile-inline = "FROM scratch\n" }
target "App" {
  dockerfile-inline = "FROM base\n"
  contexts = { base = "target:base" }
  secret = ["id=token,env=TOKEN"]
  network = "host"
  entitlements = ["network.host"]
}
target "app" {
  inherits = ["App"]
  contexts = { base = "target:App" }
}
`})
	for _, tt := range []struct {
		targets []string
		jobs    []string
	}{
		{[]string{"app"}, []string{"app"}},
		{[]string{"app", "base"}, []string{"app", "base"}},
		{[]string{"app", "App"}, []string{"App", "app-"}},
	} {
		r, err := resolve(t, Question{Targets: tt.targets, Allow: []string{"network.host"}, Overrides: []string{"*.output=type=cacheonly"}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Plan(plan.TargetSpec{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Jobs) != len(tt.jobs) {
			t.Fatalf("%q: %d jobs, want %q", tt.targets, len(p.Jobs), tt.jobs)
		}
		for i, j := range p.Jobs {
			if !strings.HasPrefix(j.Name, tt.jobs[i]) {
				t.Errorf("%q: job %s, want %s", tt.targets, j.Name, tt.jobs[i])
			}
		}
		all := plan.WithLinked(p.Jobs)
		if len(all) != 3 || all[0].Name != "base" && len(tt.jobs) == 1 {
			t.Errorf("%q: %d jobs with those that they are built on, want 3", tt.targets, len(all))
		}
		for _, j := range all {
			for name, on := range j.Links {
				if on.Options.Inputs.DockerfilePath == "" || !strings.Contains(strings.ToLower(on.Name), strings.ToLower(name)) {
					t.Errorf("%s is linked to %s as %s", j.Name, on.Name, name)
				}
			}
		}
		if err := p.CheckOutputs(); err != nil {
			t.Error(err)
		}
		_ = p.Close()
	}
}

// Beside a compose file only variables have values that it, or a bake file, uses.
func TestVarsOfCompose(t *testing.T) {
	write(t, map[string]string{"compose.yaml": "services:\n  app:\n    image: r.example/app:${TAG:-1}\n    build:\n      context: .\n      args:\n        - PASSED\n",
		"docker-bake.hcl": "variable \"OWN\" {}\n"})
	q := Question{Vars: map[string]string{"TAG": "2", "OWN": "1", "PASSED": "x", "COMPOSE_PROJECT_NAME": "p"}}
	if _, err := Read(t.Context(), q); err != nil {
		t.Error(err)
	}
	write(t, map[string]string{"compose.yaml": "services:\n  app:\n    build: .\n", "docker-bake.hcl": "target \"a\" {\n  tags = V\n}\n"})
	if _, err := Read(t.Context(), Question{}); err == nil || !strings.HasPrefix(err.Error(), "docker-bake.hcl: line 2, column 10: Unknown") {
		t.Errorf("error %v", err)
	}
	write(t, map[string]string{"compose.yaml": "services:\n  app:\n    build: .\n"})
	q.Vars = map[string]string{"TAGS": "3"}
	if _, err := Read(t.Context(), q); err == nil || !strings.Contains(err.Error(), `--var: no variable is named "TAGS"`) {
		t.Errorf("error %v", err)
	}
}
