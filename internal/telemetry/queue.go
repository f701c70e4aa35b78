package telemetry

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Most that the queue's numbers may be: memory for that many spans is taken at once.
const (
	mostSpans  = 1_000_000
	mostMillis = 24 * 60 * 60 * 1000
)

// queueFromEnv is the queue of spans as OpenTelemetry's variables have it. The library believes
// whatever they say, and panics for some of it; the error tells which of them are not heeded.
func queueFromEnv() ([]sdktrace.BatchSpanProcessorOption, error) {
	var wrong []string
	number := func(name string, least, most, usual int) int {
		value := os.Getenv(name)
		if value == "" {
			return usual
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			wrong = append(wrong, fmt.Sprintf("%s=%q: give a number from %d to %d; it is %d now", name, value, least, most, usual))
			return usual
		}
		return n
	}
	size := number("OTEL_BSP_MAX_QUEUE_SIZE", 1, mostSpans, sdktrace.DefaultMaxQueueSize)
	batch := number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, mostSpans, sdktrace.DefaultMaxExportBatchSize)
	delay := number("OTEL_BSP_SCHEDULE_DELAY", 1, mostMillis, sdktrace.DefaultScheduleDelay)
	timeout := number("OTEL_BSP_EXPORT_TIMEOUT", 0, mostMillis, sdktrace.DefaultExportTimeout)
	var err error
	if len(wrong) > 0 {
		err = errors.New(strings.Join(wrong, ", "))
	}
	return []sdktrace.BatchSpanProcessorOption{
		sdktrace.WithMaxQueueSize(size),
		sdktrace.WithMaxExportBatchSize(min(batch, size)),
		sdktrace.WithBatchTimeout(time.Duration(delay) * time.Millisecond),
		sdktrace.WithExportTimeout(time.Duration(timeout) * time.Millisecond),
	}, err
}
