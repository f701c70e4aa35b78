package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// TLS is how daemons at tcp:// addresses are known, and this process to them: what
// buildctl's flags of these names mean. The zero value is no TLS.
type TLS struct {
	// CACert is a file with the certificates of who signs those of daemons.
	CACert string
	// Cert and Key are files with this process's own; empty for none.
	Cert, Key string
	// ServerName is what the daemons' certificates are for; empty for the address's host.
	ServerName string
	// Dir is a directory that has the three files, under the names that buildctl knows.
	Dir string
}

// driverOptions are what buildx's driver for addresses is told; nil for no TLS.
func (t TLS) driverOptions() (map[string]string, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	if t.Dir != "" && (t.CACert != "" || t.Cert != "" || t.Key != "") {
		return nil, errors.New("--tlsdir has the files that --tlscacert, --tlscert and --tlskey name: give either")
	}
	if t.Dir != "" {
		if err := t.find(); err != nil {
			return nil, err
		}
	}
	switch {
	case t.CACert == "":
		return nil, errors.New("--tlscacert is missing: it names the certificate of who signed the daemons'")
	case (t.Cert == "") != (t.Key == ""):
		return nil, errors.New("--tlscert and --tlskey belong together: give both or neither")
	}
	options := map[string]string{}
	for name, path := range map[string]string{"cacert": t.CACert, "cert": t.Cert, "key": t.Key} {
		if path == "" {
			continue
		}
		file, err := readable(path)
		if err != nil {
			return nil, fmt.Errorf("--tls%s: %w", name, err)
		}
		options[name] = file
	}
	if t.ServerName != "" {
		options["servername"] = t.ServerName
	}
	return options, nil
}

// isFor makes sure that it is of use: one of some builders is a tcp:// address. What
// buildx knows by name has its certificates there.
func (t TLS) isFor(names []string) error {
	if t == (TLS{}) || slices.ContainsFunc(names, overTCP) {
		return nil
	}
	return errors.New("--tlsdir, --tlscacert, --tlscert, --tlskey and --tlsservername are for builders at tcp:// addresses, and none is named " +
		"(to give certificates to a builder of buildx: docker buildx create --driver remote --driver-opt cacert=FILE,cert=FILE,key=FILE)")
}

func overTCP(address string) bool { return strings.HasPrefix(address, "tcp://") }

// find looks for the files in the directory.
func (t *TLS) find() error {
	for _, file := range []struct {
		path  *string
		names [2]string
	}{
		{&t.CACert, [2]string{"ca.pem", "ca.crt"}}, {&t.Cert, [2]string{"cert.pem", "tls.crt"}}, {&t.Key, [2]string{"key.pem", "tls.key"}},
	} {
		for _, name := range file.names {
			path := filepath.Join(t.Dir, name)
			if _, err := os.Stat(path); err == nil && *file.path == "" {
				*file.path = path
			}
		}
		if *file.path == "" {
			return fmt.Errorf("--tlsdir %s: it has neither %s nor %s", t.Dir, file.names[0], file.names[1])
		}
	}
	return nil
}

// readable is the absolute path of a file that can be read.
func readable(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	_ = f.Close()
	return filepath.Abs(path)
}
