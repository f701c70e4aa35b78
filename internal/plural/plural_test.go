package plural

import "testing"

func TestOf(t *testing.T) {
	for want, got := range map[string]string{
		"0 images": Of(0, "image"), "1 image": Of(1, "image"), "2 images": Of(2, "image"),
		"1 batch": Of(1, "batch"), "12 batches": Of(12, "batch"),
		"": And(nil), "a": And([]string{"a"}), "a and b": And([]string{"a", "b"}), "a, b and c": And([]string{"a", "b", "c"}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
