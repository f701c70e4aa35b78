package check

// Costing is what an advice is about.
type Costing struct {
	Rule string `json:"rule"`
	// Text says what may be saved.
	Text string `json:"-"`
	// Seconds of steps and Bytes are that; nil where it is not known. AtMost says that it
	// may be less.
	Seconds *float64 `json:"seconds"`
	Bytes   *int64   `json:"bytes"`
	AtMost  bool     `json:"at_most,omitempty"`
	// Patch does what the hint says, to the Dockerfile; empty where that takes more.
	Patch string `json:"patch,omitempty"`
}
