// Package kubernetes has manifests; its tests check them against Kubernetes' own types.
package kubernetes

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/go-units"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// cluster is what the manifests make, by kind and name.
type cluster struct {
	sets     map[string]*appsv1.StatefulSet
	jobs     map[string]*batchv1.Job
	services map[string]*corev1.Service
	inputs   map[string]*corev1.ConfigMap
	secrets  map[string]*corev1.Secret
}

// add takes the objects of a file. What Kubernetes' types do not have is an error.
func (c *cluster) add(t *testing.T, file string, text []byte) {
	t.Helper()
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(string(text), -1) {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := head.Metadata.Name
		if name == "" {
			t.Errorf("%s: a %s has no name", file, head.Kind)
		}
		var object any
		switch head.APIVersion + " " + head.Kind {
		case "apps/v1 StatefulSet":
			object = put(&c.sets, name, &appsv1.StatefulSet{})
		case "batch/v1 Job":
			object = put(&c.jobs, name, &batchv1.Job{})
		case "v1 Service":
			object = put(&c.services, name, &corev1.Service{})
		case "v1 ConfigMap":
			object = put(&c.inputs, name, &corev1.ConfigMap{})
		case "v1 Secret":
			object = put(&c.secrets, name, &corev1.Secret{})
		default:
			t.Fatalf("%s: %s %s is of no kind that is known here", file, head.APIVersion, head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Errorf("%s: %s %s: %v", file, head.Kind, name, err)
		}
	}
}

func put[T any](all *map[string]*T, name string, object *T) *T {
	if *all == nil {
		*all = map[string]*T{}
	}
	(*all)[name] = object
	return object
}

func read(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	for _, file := range []string{"buildkitd.yaml", "shards.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.add(t, file, text)
	}
	secrets, err := exec.Command("./certs.sh", "builds").Output()
	if err != nil {
		t.Fatalf("certs.sh: %v", err)
	}
	c.add(t, "certs.sh", secrets)
	return c
}

// What names something else names what is there.
func TestNames(t *testing.T) {
	c := read(t)
	for name, set := range c.sets {
		c.checkPod(t, name, set.Spec.Template, set.Spec.VolumeClaimTemplates)
		if !contains(set.Spec.Template.Labels, set.Spec.Selector.MatchLabels) {
			t.Errorf("StatefulSet %s selects %v, and its pods have %v", name, set.Spec.Selector.MatchLabels, set.Spec.Template.Labels)
		}
		service := c.services[set.Spec.ServiceName]
		if service == nil || service.Spec.ClusterIP != corev1.ClusterIPNone {
			t.Errorf("StatefulSet %s: its service %q is not there, or not headless", name, set.Spec.ServiceName)
		}
		for _, spread := range set.Spec.Template.Spec.TopologySpreadConstraints {
			if !contains(set.Spec.Template.Labels, spread.LabelSelector.MatchLabels) {
				t.Errorf("StatefulSet %s spreads pods that it does not have", name)
			}
		}
	}
	for name, job := range c.jobs {
		c.checkPod(t, name, job.Spec.Template, nil)
	}
	for name, service := range c.services {
		found := false
		for _, set := range c.sets {
			if !contains(set.Spec.Template.Labels, service.Spec.Selector) {
				continue
			}
			found = true
			for _, port := range service.Spec.Ports {
				if !slices.ContainsFunc(set.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
					return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal })
				}) {
					t.Errorf("Service %s: no container has the port %s", name, port.TargetPort.String())
				}
			}
		}
		if !found || len(service.Spec.Selector) == 0 {
			t.Errorf("Service %s selects no pods: %v", name, service.Spec.Selector)
		}
	}
}

// checkPod makes sure that volumes are there, with what they are made of, and used.
func (c *cluster) checkPod(t *testing.T, name string, pod corev1.PodTemplateSpec, claims []corev1.PersistentVolumeClaim) {
	t.Helper()
	unused := map[string]bool{}
	for _, claim := range claims {
		unused[claim.Name] = true
	}
	for _, v := range pod.Spec.Volumes {
		unused[v.Name] = true
		if from := v.ConfigMap; from != nil && c.inputs[from.Name] == nil {
			t.Errorf("%s: ConfigMap %s is not there", name, from.Name)
		}
		if from := v.Secret; from != nil && c.secrets[from.SecretName] == nil && (from.Optional == nil || !*from.Optional) {
			t.Errorf("%s: Secret %s is not there", name, from.SecretName)
		}
	}
	volumes := maps.Clone(unused)
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		at := map[string]bool{}
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: container %s mounts %s, which is no volume", name, container.Name, mount.Name)
			}
			if at[mount.MountPath] {
				t.Errorf("%s: container %s has two volumes at %s", name, container.Name, mount.MountPath)
			}
			at[mount.MountPath] = true
			delete(unused, mount.Name)
		}
		if len(container.Resources.Requests) == 0 {
			t.Errorf("%s: container %s does not say what it needs", name, container.Name)
		}
		if security := container.SecurityContext; security == nil || security.Privileged != nil && *security.Privileged {
			t.Errorf("%s: container %s is privileged", name, container.Name)
		}
	}
	if len(unused) > 0 {
		t.Errorf("%s: nothing mounts %v", name, slices.Sorted(maps.Keys(unused)))
	}
}

func contains(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// The shards, the nodes and the disks go together.
func TestShards(t *testing.T) {
	c := read(t)
	set, job := c.sets["buildkitd"], c.jobs["stoker"]
	spec := job.Spec.Template.Spec
	stoker := spec.Containers[0]
	flag := func(name string) (value string) {
		for _, arg := range stoker.Args {
			if v, is := strings.CutPrefix(arg, "--"+name+"="); is {
				value = v
			}
		}
		return value
	}
	shards, auto := strings.CutPrefix(flag("shard"), "auto/")
	if !auto {
		t.Errorf("each pod builds shard %q", flag("shard"))
	}
	nodes := strconv.Itoa(int(*set.Spec.Replicas))
	if shards != nodes || strconv.Itoa(int(*job.Spec.Completions)) != nodes || *job.Spec.CompletionMode != batchv1.IndexedCompletion {
		t.Errorf("%s shards, %d completions (%s), %s nodes", shards, *job.Spec.Completions, *job.Spec.CompletionMode, nodes)
	}
	for _, rule := range job.Spec.PodFailurePolicy.Rules {
		if on := rule.OnExitCodes; on != nil && *on.ContainerName != stoker.Name {
			t.Errorf("the exit codes are those of %s", *on.ContainerName)
		}
	}

	budget, err := units.FromHumanSize(flag("cache-budget"))
	if err != nil {
		t.Fatal(err)
	}
	claim := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
	if disk := claim.Value(); budget > disk*9/10 {
		t.Errorf("the cache may have %d bytes, of a disk of %d", budget, disk)
	}
}

// Shards know nodes by the names that they ask for, and nodes know shards.
func TestCertificates(t *testing.T) {
	c := read(t)
	set, job := c.sets["buildkitd"], c.jobs["stoker"]
	for _, tt := range []struct {
		secret string
		use    x509.ExtKeyUsage
		names  []string
	}{
		{"buildkitd-certs", x509.ExtKeyUsageServerAuth, []string{"buildkitd-0.buildkitd", "buildkitd-11.buildkitd.builds.svc"}},
		{"buildkit-client-certs", x509.ExtKeyUsageClientAuth, []string{""}},
	} {
		files := c.secrets[tt.secret].Data
		pair, err := tls.X509KeyPair(files["cert.pem"], files["key.pem"])
		if err != nil {
			t.Fatalf("%s: %v", tt.secret, err)
		}
		authority := x509.NewCertPool()
		if !authority.AppendCertsFromPEM(files["ca.pem"]) {
			t.Errorf("%s: its authority is none", tt.secret)
		}
		for _, name := range tt.names {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: authority, DNSName: name, KeyUsages: []x509.ExtKeyUsage{tt.use}}); err != nil {
				t.Errorf("%s for %q: %v", tt.secret, name, err)
			}
		}
	}
	if !bytes.Equal(c.secrets["buildkitd-certs"].Data["ca.pem"], c.secrets["buildkit-client-certs"].Data["ca.pem"]) {
		t.Error("nodes and shards trust different authorities")
	}

	// The address that a shard is given is that of a pod, at the port where it listens.
	cmd := exec.Command("sh", "-c", strings.Replace(job.Spec.Template.Spec.InitContainers[0].Command[2], "exec docker", "echo", 1))
	cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX=0")
	out, err := cmd.Output()
	want := fmt.Sprintf("tcp://%s-0.%s:%d", set.Name, set.Spec.ServiceName, set.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort)
	if fields := strings.Fields(string(out)); err != nil || fields[len(fields)-1] != want {
		t.Errorf("the first shard's node is added with %s (%v), want %s", out, err, want)
	}
}
