package journal

// Kind implements Event.
func (RunStarted) Kind() string { return "run_started" }

// Kind implements Event.
func (JobStarted) Kind() string { return "job_started" }

// Kind implements Event.
func (AttemptStarted) Kind() string { return "attempt_started" }

// Kind implements Event.
func (StepStarted) Kind() string { return "step_started" }

// Kind implements Event.
func (AttemptFailed) Kind() string { return "attempt_failed" }

// Kind implements Event.
func (Assembled) Kind() string { return "assembled" }

// Kind implements Event.
func (JobFinished) Kind() string { return "job_finished" }

// Kind implements Event.
func (PullStarted) Kind() string { return "pull_started" }

// Kind implements Event.
func (PullFinished) Kind() string { return "pull_finished" }

// Kind implements Event.
func (LayerPulled) Kind() string { return "layer_pulled" }

// Kind implements Event.
func (BatchFinished) Kind() string { return "batch_finished" }

// Kind implements Event.
func (Surveying) Kind() string { return "surveying" }

// Kind implements Event.
func (WaitingForSpace) Kind() string { return "waiting_for_space" }

// Kind implements Event.
func (DiskFull) Kind() string { return "disk_full" }

// Kind implements Event.
func (BuilderLost) Kind() string { return "builder_lost" }

// Kind implements Event.
func (RegistryThrottled) Kind() string { return "registry_throttled" }

// Kind implements Event.
func (RegistryAnswers) Kind() string { return "registry_answers" }

// Kind implements Event.
func (RegistryLimit) Kind() string { return "registry_limit" }

// Kind implements Event.
func (JobWaiting) Kind() string { return "job_waiting" }

// Kind implements Event.
func (JobHeld) Kind() string { return "job_held" }

// Kind implements Event.
func (Recovered) Kind() string { return "recovered" }

// Kind implements Event.
func (WorkersChanged) Kind() string { return "workers_changed" }

// Kind implements Event.
func (SweepStarted) Kind() string { return "sweep_started" }

// Kind implements Event.
func (SweepFinished) Kind() string { return "sweep_finished" }

// Kind implements Event.
func (Forecast) Kind() string { return "forecast" }

// Kind implements Event.
func (Sampled) Kind() string { return "sampled" }

// Kind implements Event.
func (Lost) Kind() string { return "events_lost" }

// Kind implements Event.
func (Warning) Kind() string { return "warning" }

// Kind implements Event.
func (Stopping) Kind() string { return "stopping" }

// Kind implements Event.
func (RunFinished) Kind() string { return "run_finished" }
