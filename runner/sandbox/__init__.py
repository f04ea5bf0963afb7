"""Sandboxes: three hosts per attempt, removed as a whole when it ends; docs/sandbox.md."""
