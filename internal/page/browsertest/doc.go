// Package browsertest has a browser look at the page of runs: at the file that is left, and at
// the page that follows a run.
package browsertest
