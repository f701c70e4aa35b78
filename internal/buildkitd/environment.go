package buildkitd

import (
	"os"
	"slices"
	"strconv"
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
	return slices.DeleteFunc(all, isWrongNumber)
}

// mostOf is more than any number of a queue of spans has to be, and less than what BuildKit
// would end at as it takes memory for it.
const mostOf = 1_000_000

// isWrongNumber tells whether a variable has a number that a queue of spans cannot have.
func isWrongNumber(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	if value == "" || !strings.HasPrefix(name, "OTEL_BSP_MAX_") {
		return false
	}
	n, err := strconv.Atoi(value)
	return err != nil || n < 1 || n > mostOf
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
