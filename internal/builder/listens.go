package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	buildxbuilder "github.com/docker/buildx/builder"
	"golang.org/x/net/http2"
)

// listens makes sure that somebody does at the address of a node, where it has one, and
// that each lets the other in: buildx would wait for that, and not tell what is wrong.
func listens(ctx context.Context, n buildxbuilder.Node) error {
	if n.Driver.Factory().Name() != "remote" {
		return nil
	}
	conn, err := n.Driver.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	config := n.Driver.Config()
	if !overTCP(config.EndpointAddr) {
		return nil
	}
	err = greet(ctx, conn)
	if err != nil && len(config.DriverOpts) == 0 {
		return fmt.Errorf("it does not answer as a BuildKit daemon without TLS does (%w): where it asks for certificates, --tlsdir has them for tcp:// addresses", err)
	}
	return err
}

// greet exchanges the first words of HTTP/2 with a daemon, by which both have seen the
// other's certificates.
func greet(ctx context.Context, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	words := bytes.NewBufferString(http2.ClientPreface)
	if err := http2.NewFramer(words, nil).WriteSettings(); err != nil {
		return err
	}
	// Where they cannot be sent, what is read tells why.
	_, _ = conn.Write(words.Bytes())
	frame, err := http2.NewFramer(nil, conn).ReadFrame()
	if err != nil {
		return err
	}
	if _, is := frame.(*http2.SettingsFrame); !is {
		return errors.New("it speaks no gRPC")
	}
	return nil
}
