"""The tools every app uses: errors, clock, jobs, live messages, plugs, sealed secrets."""
