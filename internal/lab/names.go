package lab

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Instances makes up names as SWE-bench has them ("project01__project01-10001"), project by
// project.
func Instances(projects, perProject int) []string {
	names := make([]string, 0, projects*perProject)
	for p := range projects {
		for i := range perProject {
			names = append(names, fmt.Sprintf("project%02d__project%02d-%d", p+1, p+1, 10001+i))
		}
	}
	return names
}

// Project is what an instance's name says before its last "-".
func Project(instance string) string {
	if i := strings.LastIndex(instance, "-"); i > 0 {
		return instance[:i]
	}
	return instance
}

// ReadInstances reads names from a file, one a line; empty lines and those that begin with "#"
// are left out.
func ReadInstances(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var names []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names, lines.Err()
}

// Spread picks up to n of the names, as evenly from all projects as their sizes allow, and keeps
// the order of names.
func Spread(names []string, n int) []string {
	picked := make([]bool, len(names))
	for left := min(n, len(names)); left > 0; {
		taken := map[string]bool{} // projects served in this round
		for i, name := range names {
			if left == 0 || picked[i] || taken[Project(name)] {
				continue
			}
			picked[i], taken[Project(name)] = true, true
			left--
		}
	}
	var out []string
	for i, name := range names {
		if picked[i] {
			out = append(out, name)
		}
	}
	return out
}
