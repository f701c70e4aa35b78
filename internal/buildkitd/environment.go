package buildkitd

import (
	"os"
	"slices"
	"strings"
)

// environment is that of a daemon: this process's own, without those of OpenTelemetry's
// variables at whose values BuildKit would end instead of doing without.
func environment() []string {
	all := os.Environ()
	if !known("OTEL_TRACES_EXPORTER", exporters) || !known("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocols) || !known("OTEL_EXPORTER_OTLP_PROTOCOL", protocols) {
		// Nothing is sent as it is asked for, so that nothing is sent at all.
		return without(all, "OTEL_")
	}
	for name, values := range map[string][]string{"OTEL_METRICS_EXPORTER": exporters, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": protocols} {
		if !known(name, values) {
			all = without(all, name+"=")
		}
	}
	return all
}

// What BuildKit knows, the default by its empty name among them.
var (
	exporters = []string{"", "otlp", "none"}
	protocols = []string{"", "grpc", "http/protobuf"}
)

func known(name string, values []string) bool { return slices.Contains(values, os.Getenv(name)) }

func without(all []string, prefix string) []string {
	return slices.DeleteFunc(all, func(pair string) bool { return strings.HasPrefix(pair, prefix) })
}
