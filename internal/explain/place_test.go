package explain

import "testing"

func TestCommon(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{"RUN a  b", "RUN a  b", "RUN a  b"},
		{"RUN sleep 1 && echo 1", "RUN sleep 22 && echo 22", "RUN sleep … && echo …"},
		{"RUN sleep … && echo …", "RUN sleep 22 && echo 22", "RUN sleep … && echo …"},
		{"COPY a b c", "COPY x y c", "COPY … c"},
		{"COPY a c", "COPY c", "COPY … c"},
		{"COPY c", "COPY a c", "COPY … c"},
		{"COPY a", "ADD b", "…"},
		{"RUN a", "", "…"},
	} {
		if got := common(tt.a, tt.b); got != tt.want {
			t.Errorf("of %q and %q: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
