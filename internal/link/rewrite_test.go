package link_test

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/stoker-build/stoker/internal/link"
	"github.com/stoker-build/stoker/internal/link/linktest"
)

// Steps are linked where they stand: each line stays where it is.
func TestLinked(t *testing.T) {
	owner := &link.Owner{UID: 5, GID: 6}
	for _, tt := range []struct {
		dockerfile, want string
		edits            []link.Edit
	}{
		{"FROM base\nCOPY a b\n", "FROM base\nCOPY --link a b\n", []link.Edit{{Line: 2}}},
		{"FROM base\n  copy \\\n  # COPY --chown\n  --chown=me a \\\n\n  b", "FROM base\n  copy --link \\\n  # COPY --chown\n  --chown=5:6 a \\\n\n  b", []link.Edit{{Line: 2, Owner: owner}}},
		{"FROM base\r\nADD --chown=${X}:us --exclude=x a b\r\nCOPY a c\r\n", "FROM base\r\nADD --link --chown=5:6 --exclude=x a b\r\nCOPY --link a c\r\n", []link.Edit{{Line: 2, Owner: owner}, {Line: 3}}},
		{"FROM base\nCOPY \\\n # --chown=me\n --chown=me a b\n", "", []link.Edit{{Line: 2, Owner: owner}}},
		{"FROM base\nCOPY <<EOF --chown=me\nCOPY a b\nEOF\n", "", []link.Edit{{Line: 2, Owner: owner}}},
		{"FROM base\nCOPY --chown=me a --chown=me/b\n", "", []link.Edit{{Line: 2, Owner: owner}}},
		{"FROM base\nCOPY --ch\\\nown=me a b\n", "", []link.Edit{{Line: 2, Owner: owner}}},
		{"FROM base\nCO\\\nPY a b\n", "", []link.Edit{{Line: 2}}},
		{"FROM base\nCOPY a b\n", "", []link.Edit{{Line: 7}}},
	} {
		d, err := link.Parse([]byte(tt.dockerfile), "")
		if err != nil {
			t.Errorf("%q: %v", tt.dockerfile, err)
			continue
		}
		got, err := d.Linked(tt.edits)
		switch {
		case (err != nil) != (tt.want == ""):
			t.Errorf("%q: %q, %v", tt.dockerfile, got, err)
		case err == nil && string(got) != tt.want:
			t.Errorf("%q\nbecomes %q\nwant    %q", tt.dockerfile, got, tt.want)
		}
	}
}

// verdicts are what is found out of a Dockerfile.
func verdicts(t *testing.T, dockerfile string) (all []link.Verdict, plain *pb.Definition, config []byte) {
	t.Helper()
	d, err := link.Parse([]byte(dockerfile), "")
	if err != nil {
		t.Fatal(err)
	}
	plain, config = linktest.Definition(t, dockerfile)
	c, err := link.Read(plain, d)
	if err != nil {
		t.Fatal(err)
	}
	return c.Prove(tree(), inContext), plain, config
}

// A definition is taken only where it is the other one with just these steps linked.
func TestSame(t *testing.T) {
	const plain = "FROM base AS other\nRUN true\nFROM base\nENV A=b\nCOPY --from=other --chown=me:us a b /x/\nWORKDIR /y\nADD file z\n"
	all, from, config := verdicts(t, plain)
	if len(all) != 2 || all[0].Why != "" || all[1].Why != "" {
		t.Fatalf("found out is %+v", all)
	}
	linked := strings.NewReplacer("COPY ", "COPY --link ", "me:us", "5:6", "ADD ", "ADD --link ")
	for _, tt := range []struct {
		what, change, by string
		same, config     bool
	}{
		{"nothing", "", "", true, true},
		{"another source", "a b /x/", "a c /x/", false, false},
		{"another destination", "/x/", "/w/", false, false},
		{"another owner", "me:us", "6:6", false, true},
		{"another stage", "RUN true", "RUN false", false, true},
		{"another step", "WORKDIR /y", "WORKDIR /v", false, false},
		{"another environment", "A=b", "A=c", true, false},
		{"a step more", "ENV A=b", "ENV A=b\nCOPY file /e", false, false},
		{"a step that is not linked", "ADD file z", "ADD  --link=false file z", false, true},
	} {
		text := linked.Replace(strings.Replace(plain, tt.change, tt.by, 1))
		text = strings.Replace(text, "ADD --link  --link=false", "ADD", 1)
		to, toConfig := linktest.Definition(t, text)
		written, err := link.Same(from, to, all)
		if before := written["LINK COPY --link --from=other --chown=5:6 a b /x/"]; tt.same && (len(written) != 4 || before != "COPY --from=other --chown=me:us a b /x/" || written["COPY --link --from=other --chown=5:6 a b /x/"] != before) {
			t.Errorf("%s is changed: called are %q", tt.what, written)
		}
		if (err == nil) != tt.same {
			t.Errorf("%s is changed: %v", tt.what, err)
		}
		if err := link.SameConfig(config, toConfig); (err == nil) != tt.config {
			t.Errorf("%s is changed: the config: %v", tt.what, err)
		}
	}
	if _, err := link.Same(from, from, all); err == nil {
		t.Error("what is not linked is taken for linked")
	}
}
