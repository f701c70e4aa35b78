package throttle

import (
	"net/http"
	"testing"
	"time"
)

func TestLimitOf(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name                    string
		limit, remaining, reset string
		want                    Limit
		told                    bool
	}{
		{"Docker Hub", "100;w=21600", "76;w=21600", "", Limit{Total: 100, Remaining: 76, Window: 6 * time.Hour}, true},
		{"a reset from now on", "100", "0", "90", Limit{Total: 100, Reset: now.Add(90 * time.Second)}, true},
		{"a reset as a time", "600", "599", "1795694400", Limit{Total: 600, Remaining: 599, Reset: time.Unix(1795694400, 0)}, true},
		{"half of it", "100", "", "90", Limit{}, false},
		{"nonsense", "-1", "many;w=1", "", Limit{}, false},
		{"a window that is none", "100;w=soon", "5;w=99999999999", "", Limit{Total: 100, Remaining: 5}, true},
		{"nothing", "", "", "", Limit{}, false},
	} {
		h := http.Header{}
		for name, value := range map[string]string{"ratelimit-limit": tt.limit, "ratelimit-remaining": tt.remaining, "ratelimit-reset": tt.reset} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if got, told := LimitOf(h, now); told != tt.told || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, told, tt.want, tt.told)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"99999999999999999999":          0,
		"Thu, 26 Nov 2026 12:01:00 GMT": time.Minute,
		"Thu, 26 Nov 2026 11:59:00 GMT": 0,
		"soon":                          0,
	} {
		if got := RetryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// A reset counts only where nothing is left: else the registry refuses for another reason.
func TestAnswerUntil(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	reset := now.Add(time.Hour)
	for _, tt := range []struct {
		answer Answer
		want   time.Time
	}{
		{Answer{}, time.Time{}},
		{Answer{RetryAfter: time.Minute}, now.Add(time.Minute)},
		{Answer{RetryAfter: time.Minute, Limit: &Limit{Total: 100, Reset: reset}}, reset},
		{Answer{Limit: &Limit{Total: 100, Remaining: 3, Reset: reset}}, time.Time{}},
		{Answer{Limit: &Limit{Total: 100}}, time.Time{}},
	} {
		if got := tt.answer.Until(now); !got.Equal(tt.want) {
			t.Errorf("%+v: %s, want %s", tt.answer, got, tt.want)
		}
	}
}

func TestRefuser(t *testing.T) {
	both := []string{"docker.io", "reg.example:5000"}
	for _, tt := range []struct {
		message        string
		registries     []string
		host, mirrored string
	}{
		{`unexpected status from POST request to https://reg.example:5000/v2/a/blobs/uploads/: 429 Too Many Requests`, both, "reg.example:5000", ""},
		{`unexpected status code https://registry-1.docker.io/v2/library/a/manifests/1: 429 Too Many Requests`, both, "docker.io", ""},
		{`failed to fetch anonymous token: unexpected status from GET request to https://auth.docker.io/token?scope=x: 429 Too Many Requests`, both, "docker.io", ""},
		{`unexpected status from HEAD request to https://mirror.example/v2/library/a/manifests/1?ns=docker.io: 429 Too Many Requests`, both, "mirror.example", "docker.io"},
		{`unexpected status from HEAD request to https://reg.example:5000/v2/a/manifests/1?ns=docker.io: 429 Too Many Requests`, both, "reg.example:5000", "docker.io"},
		{`unexpected status code https://cdn.example/x: 429 Too Many Requests`, both, "", ""},
		{`toomanyrequests: you have reached your pull rate limit`, both, "", ""},
		{`toomanyrequests: you have reached your pull rate limit`, both[:1], "docker.io", ""},
		{`at "http://%zz" and https://reg.example:5000/v2/: 429 Too Many Requests`, both, "reg.example:5000", ""},
	} {
		if host, mirrored := Refuser(tt.message, tt.registries); host != tt.host || mirrored != tt.mirrored {
			t.Errorf("%s: %q as a mirror of %q, want %q of %q", tt.message, host, mirrored, tt.host, tt.mirrored)
		}
	}
}
