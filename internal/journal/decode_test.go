package journal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// Every event comes back as it was written, with every field of it.
func TestEventsRoundTrip(t *testing.T) {
	declared := declaredEvents(t)
	if len(declared) != len(kinds) {
		t.Errorf("%d events are declared, and %d can be read", len(declared), len(kinds))
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for name, kind := range kinds {
		if !declared[kind.Name()] {
			t.Errorf("%s is no event that is declared", kind.Name())
		}
		value := reflect.New(kind).Elem()
		fill(t, value)
		want := value.Interface().(Event)
		line, err := Marshal(at, want)
		if err != nil {
			t.Fatal(err)
		}
		when, got, err := Unmarshal(line)
		if err != nil || !when.Equal(at) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v at %s (%v), want %+v\n%s", name, got, when, err, want, line)
		}
	}
	for _, line := range []string{"", "{", `{"time":"2026-01-02T03:04:05Z","type":"job_fin`, `{"type":"of_tomorrow"}`, `{"type":"warning","message":3}`} {
		if _, e, err := Unmarshal([]byte(line)); err == nil {
			t.Errorf("%s is read as %+v", line, e)
		}
	}
}

// declaredEvents returns the types of this package that have a method Kind.
func declaredEvents(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]bool{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, isFunc := d.(*ast.FuncDecl)
			if isFunc && f.Recv != nil && f.Name.Name == "Kind" {
				events[f.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	return events
}

// fill gives every field below a value that is not its zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[ledger.Time]():
		v.Set(reflect.ValueOf(ledger.Time{Time: time.Date(2026, 5, 6, 7, 8, 9, 1e6, time.UTC)}))
		return
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text of " + v.Type().Name())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}
