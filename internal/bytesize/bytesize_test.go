package bytesize

import "testing"

// What is typed comes back as it was typed.
func TestRoundTrip(t *testing.T) {
	for _, text := range []string{"0B", "1kB", "300MB", "600MB", "1.5GB", "60GB", "2TB", "20GiB", "1GiB"} {
		n, err := Parse(text)
		if got := Text(n); err != nil || got != text {
			t.Errorf("%s comes back as %s (%v)", text, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"60": 60, "60b": 60, "60k": 60e3, "60G": 60e9, "60 gb": 60e9, "1.5MB": 1.5e6,
		"60GiB": 60 << 30, "1kib": 1 << 10, "0.5MiB": 1 << 19,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "much", "1XB", "99999999999TB"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestNoNegativeSizes(t *testing.T) {
	if got := Text(-204e6); got != "0B" {
		t.Errorf("a negative size is %s", got)
	}
}

func TestSum(t *testing.T) {
	one, two := int64(1), int64(2)
	for _, tt := range []struct {
		sizes []*int64
		want  *int64
	}{
		{nil, nil},
		{[]*int64{nil, nil}, nil},
		{[]*int64{&one, nil, &two}, new(int64(3))},
		{[]*int64{nil, new(int64(0))}, new(int64(0))},
	} {
		if got := Sum(tt.sizes...); (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("the sum of %v is %v", tt.sizes, got)
		}
	}
	if one != 1 {
		t.Errorf("adding up has changed what was added to %d", one)
	}
}
