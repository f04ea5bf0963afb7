"""The runner's own values: implementations, jobs, attempts, verdicts. All of them are frozen."""
