package nodetest

// Locks has whatever a full disk keeps it from making be waited for for ever, until it is
// ended. A private one can be.
func (d *Daemon) Locks(private bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.locked, d.private = map[string]bool{}, private
}

func (d *Daemon) isLocked(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.locked[id]
}

// End implements node.Daemon.
func (d *Daemon) End() bool {
	d.mu.Lock()
	private := d.private
	if private {
		clear(d.locked)
	}
	d.mu.Unlock()
	if private {
		d.Kill(true)
	}
	return private
}
