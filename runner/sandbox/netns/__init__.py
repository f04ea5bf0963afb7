"""The netns backend: hosts are Linux namespaces, and run local commands."""
