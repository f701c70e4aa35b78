package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	password = `p"a/s&s w+ö`
	pem      = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhk==\nx\n-----END KEY-----\n"
)

var jwtText = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

func TestString(t *testing.T) {
	r := New("hunter2secret", password, pem, "short", "  ", "overlap-abc", "abc-lapover")
	ghp := "ghp_" + strings.Repeat("a1B2", 9)
	tests := []struct{ name, in, want string }{
		{"a value", "it is hunter2secret.", "it is [redacted]."},
		{"a value, often", "hunter2secrethunter2secret", "[redacted][redacted]"},
		{"a short value", "it is short", "it is short"},
		{"values that overlap", "<overlap-abc-lapover>", "<[redacted]>"},
		{"any characters", "<" + password + ">", "<[redacted]>"},
		{"base64", "x " + base64.StdEncoding.EncodeToString([]byte("hunter2secret")), "x [redacted]"},
		{"base64 for URLs", "x " + base64.URLEncoding.EncodeToString([]byte(password)), "x [redacted]"},
		{"URL encoding", "x " + url.QueryEscape(password) + " " + url.PathEscape(password), "x [redacted] [redacted]"},
		{"a line of a value", "#7 0.3 MIIEvQIBADANBg", "#7 0.3 [redacted]"},
		{"all of a value", "<" + strings.TrimSpace(pem) + ">", "<[redacted]>"},
		{"all of a value in base64", base64.StdEncoding.EncodeToString([]byte(strings.TrimSpace(pem))), "[redacted]"},
		{"in JSON", `{"p":"p\"a/s\u0026s w+ö"}`, `{"p":"[redacted]"}`},

		{"user and password", "clone https://user:tok@example.com/a", "clone https://[redacted]@example.com/a"},
		{"a token as user", "https://tok@example.com:8080", "https://[redacted]@example.com:8080"},
		{"an @ in a password", "http://u:p@ss@host/x@y", "http://[redacted]@host/x@y"},
		{"no user", "https://example.com/@scope/pkg ://@ x@y", "https://example.com/@scope/pkg ://@ x@y"},
		{"SSH", "ssh://git@github.com/a git+ssh://git@github.com/a git@github.com:a", "ssh://git@github.com/a git+ssh://git@github.com/a git@github.com:a"},
		{"SSH with a password", "ssh://git:pw@github.com/a", "ssh://[redacted]@github.com/a"},
		{"an image by digest", "docker-image://alpine@sha256:0123", "docker-image://alpine@sha256:0123"},

		{"query", "GET /a?token=abc&x=1&api_key=def#top", "GET /a?token=[redacted]&x=1&api_key=[redacted]#top"},
		{"signed URL", `"https://s3/x?X-Amz-Signature=12ab&X-Amz-Security-Token=3&se=4&sig=5%3D": 403`, `"https://s3/x?X-Amz-Signature=[redacted]&X-Amz-Security-Token=[redacted]&se=4&sig=[redacted]": 403`},
		{"a signature elsewhere", "signature=abc", "signature=abc"},

		{"build argument", "--build-arg NPM_TOKEN=abc --build-arg A=b", "--build-arg NPM_TOKEN=[redacted] --build-arg A=b"},
		{"with separators", "type=s3,secret_access_key=a,b,region=eu", "type=s3,secret_access_key=[redacted],region=eu"},
		{"form", "password=a&b&user=c", "password=[redacted]&user=c"},
		{"quoted", `PASSWORD="a b\" c" x PASSWD='a\' x`, `PASSWORD="[redacted]" x PASSWD='[redacted]' x`},
		{"quoted whole", `["--build-arg","auth=abc","x"]`, `["--build-arg","auth=[redacted]","x"]`},
		{"quoted in JSON", `"RUN TOKEN=\"a b\" make"`, `"RUN TOKEN=\"[redacted]\" make"`},
		{"ends in JSON", `"RUN echo \"TOKEN=ab\" x"`, `"RUN echo \"TOKEN=[redacted]\" x"`},
		{"never closed", "TOKEN=\"a b\nc", "TOKEN=\"[redacted]\nc"},
		{"flag", "login --password=abc", "login --password=[redacted]"},
		{"npm", "//registry.npmjs.org/:_authToken=abc", "//registry.npmjs.org/:_authToken=[redacted]"},
		{"a template", `--build-arg API_KEY={{.api_key}} "TOKEN={{ .t | trim }}" {"password":"{{.a}}{{.b}}"}`, `--build-arg API_KEY={{.api_key}} "TOKEN={{ .t | trim }}" {"password":"{{.a}}{{.b}}"}`},
		{"a template with more", "API_KEY={{.a}}xyz PASSWD={{.a PASSWORD={{", "API_KEY=[redacted] PASSWD=[redacted] PASSWORD=[redacted]"},
		{"empty", "TOKEN= x PASSWORD=", "TOKEN= x PASSWORD="},
		{"other keys", "author=me GIT_AUTHORITY=x max_tokens=5 PWD=/home id=secret a=b=c", "author=me GIT_AUTHORITY=x max_tokens=5 PWD=/home id=secret a=b=c"},
		{"a pinned version", "rest-auth==0.9.5 if token == 3", "rest-auth==0.9.5 if token == 3"},
		{"a mount", "RUN --mount=type=secret,id=npm_token,target=/x", "RUN --mount=type=secret,id=npm_token,target=/x"},
		{"JSON", `{"auths":{"r":{"auth":"dXNl"}}, "password" : 1, "token": "a\"b", "name":"n"}`, `{"auths":{"r":{"auth":"[redacted]"}}, "password" : 1, "token": "[redacted]", "name":"n"}`},
		{"JSON in JSON", `"{\"token\":\"abc\",\"x\":\"y\"}"`, `"{\"token\":\"[redacted]\",\"x\":\"y\"}"`},

		{"bearer", "> Authorization: Bearer abc.def x", "> Authorization: Bearer [redacted] x"},
		{"basic", "proxy-authorization:basic dXNlcg==", "proxy-authorization:basic [redacted]"},
		{"quoted header", `curl -H "Authorization: token abc" x`, `curl -H "Authorization: token [redacted]" x`},
		{"Go's header", `map[Authorization:[Bearer abc] Host:[x]]`, `map[Authorization:[Bearer [redacted]] Host:[x]]`},
		{"JSON header", `{"Authorization":["Bearer abc"]}`, `{"Authorization":["Bearer [redacted]"]}`},
		{"no credentials", "authorization: required. Authorization: Bearer\nabc", "authorization: required. Authorization: Bearer\nabc"},
		{"around a value", "Authorization: Bearer abhunter2secretcd x", "Authorization: Bearer [redacted] x"},

		{"GitHub", "(" + ghp + ") x_" + ghp + " github_pat_" + ghp[4:] + "_a", "([redacted]) x_[redacted] [redacted]"},
		{"no token", "my" + ghp + " ghp_short gho_x", "my" + ghp + " ghp_short gho_x"},
		{"GitLab, Slack, Docker", "glpat-abcdefghij0123456789 xoxb-123456789012-abc dckr_pat_abcdefghij0123456789-_", "[redacted] [redacted] [redacted]"},
		{"AWS", "AKIAABCDEFGHIJKLMNOP AKIAABCDEFGHIJKLMNOPQ AKIAshort", "[redacted] AKIAABCDEFGHIJKLMNOPQ AKIAshort"},
		{"JWT", "got " + jwtText + ", eyJust.a.word", "got [redacted], eyJust.a.word"},
		{"a value before a token", "hunter2secret" + ghp, "[redacted][redacted]"},
		{"redacted before", "TOKEN=[redacted] https://[redacted]@x [redacted]", "TOKEN=[redacted] https://[redacted]@x [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.String(tt.in)
			if got != tt.want {
				t.Errorf("%q\nbecame %q\n  want %q", tt.in, got, tt.want)
			}
			if again := r.String(got); again != got {
				t.Errorf("%q became %q the second time", got, again)
			}
		})
	}
}

func TestBase64OfMore(t *testing.T) {
	r := New(password)
	for before := range 4 {
		for after := range 4 {
			text := base64.StdEncoding.EncodeToString([]byte("user"[:before] + password + "more"[:after]))
			got := r.String(text)
			whole := base64.StdEncoding.EncodeToString([]byte(password))
			if !strings.Contains(got, Mark) || len(strings.ReplaceAll(got, Mark, "")) > len(text)-len(whole)+6 {
				t.Errorf("%d before and %d after: %s became %s", before, after, text, got)
			}
		}
	}
}

func TestLooksSecret(t *testing.T) {
	for key, want := range map[string]bool{
		"TOKEN": true, "GITHUB_TOKEN": true, "token2": true, "authToken": true, "_authToken": true, "accesstoken": true,
		"api_key": true, "API-KEY": true, "APIKey": true, "apikey": true, "x.access.key": true, "AWS_ACCESS_KEY_ID": true,
		"client_secret": true, "DB_PASSWD": true, "PGPASSWORD": true, "credential": true, "credentials": true, "auth": true,
		"PRIVATE_KEY": true, "SSH_AUTH_SOCK": true,
		"": false, "author": false, "AUTHORITY": false, "authorized": false, "tokens": false, "tokenizer": false, "key": false,
		"api": false, "PUBLIC_KEY": false, "secretary": false, "PATH": false, "monkey_apiary": false, "___": false,
	} {
		if got := LooksSecret(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}

// Text of pieces that matter, so that they meet in all ways.
func pieces(secrets []string) *rapid.Generator[string] {
	known := append([]string{"token=", "PASSWORD: ", "https://", "@", ":", "/", "?", "&", "=", ",", " ", "\n", "\r\n", `"`, `\"`, "'", "\\",
		"Authorization:", "Bearer ", "basic ", "ghp_", "abcdefghij", "0123456789", "eyJhbGciOiJ", ".", "-", "[", "]", Mark, "redacted", "[redac", "AKIA", "ABCDEFGHIJKLMNOP", "ö", "\xff"}, secrets...)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOf(rapid.SampledFrom(known)).Draw(t, "pieces"), "")
	})
}

func TestProperties(t *testing.T) {
	secret := rapid.StringMatching(`[a-c\]\[=@ ]{6,10}|[ab]{2,6}\n[ab]{2,6}|[a-z0-9]{6,20}|dacted\]a`)
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(secret, 0, 4).Draw(t, "secrets")
		text := pieces(secrets).Draw(t, "text")
		r := New(secrets...)
		got := r.String(text)
		if again := r.String(got); again != got {
			t.Fatalf("%q became %q, then %q", text, got, again)
		}
		streamed := writeRapid(t, r, text)
		for _, s := range secrets {
			s = strings.TrimSpace(s)
			if len(s) < minSecret || strings.Contains(Mark, s) {
				continue
			}
			if strings.Contains(got, s) || strings.Contains(streamed, s) {
				t.Fatalf("%q is still in %q or in %q", s, got, streamed)
			}
		}
	})
}

func writeRapid(t *rapid.T, r *Redactor, text string) string {
	var out bytes.Buffer
	w := r.Writer(&out)
	for len(text) > 0 {
		n := rapid.IntRange(1, len(text)).Draw(t, "chunk")
		if _, err := w.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlainTextIsUnchanged(t *testing.T) {
	r := New("hunter2secret", pem)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z0-9 ./@()\n]{0,20}|#[0-9] [a-z]+: |FROM [a-z]+:[0-9]|[A-Z]=[a-z]){0,20}`).Draw(t, "text")
		if got := r.String(text); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func FuzzString(f *testing.F) {
	f.Add("TOKEN=\"a b\" https://u:p@h/ Authorization: Basic x= "+jwtText, "hunter2secret", uint64(1))
	f.Add("a]\nb", "]\nbcdef\n", uint64(7))
	f.Fuzz(func(t *testing.T, text, secret string, seed uint64) {
		r := New(secret)
		got := r.String(text)
		if again := r.String(got); again != got {
			t.Fatalf("%q became %q, then %q", text, got, again)
		}
		secret = strings.TrimSpace(secret)
		if len(secret) < minSecret || strings.Contains(Mark, secret) {
			return
		}
		if strings.Contains(got, secret) {
			t.Fatalf("%q is still in %q", secret, got)
		}
		// Beside a mark, text may come to read as a secret that begins as a mark
		// ends. In a stream that is not seen when a line end is within it.
		if streamed := write(t, r, text+secret+text, seed); strings.Contains(streamed, secret) && !strings.ContainsFunc(secret, isLineEnd) {
			t.Fatalf("%q is still in the stream %q", secret, streamed)
		}
	})
}

func log() string {
	var b strings.Builder
	for i := 0; b.Len() < 4<<20; i++ {
		line, _ := json.Marshal(map[string]any{"n": i, "type": "step_started", "job": "sweb.eval.x86_64.django"})
		b.Write(line)
		b.WriteString("\n#12 0.482 Collecting requests==2.31.0 (from -r /tmp/requirements.txt (line 4))\n#12 1.1 Get:7 http://deb.debian.org/debian bookworm/main amd64 libssl3 amd64 3.0.11-1 [2019 kB]\n#12 DONE 3.1s gcc -DNAME=value -O2 -c x_y.c -o x_y.o\n")
	}
	return b.String()
}

func BenchmarkString(b *testing.B) {
	text := log()
	for name, r := range map[string]*Redactor{"NoSecrets": New(), "Secrets": New("hunter2secret", password, strings.Repeat(pem, 10)+"abcdefgh")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r.String(text)
			}
		})
	}
}
