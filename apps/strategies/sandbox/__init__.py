"""Where the Python of users runs, and nowhere else."""
