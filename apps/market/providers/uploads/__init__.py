"""Files somebody uploads: read by a child process, bars, actions, metrics, reference data."""
