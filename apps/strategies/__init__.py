"""What idea: strategies, versions, signals, alpha expressions."""
