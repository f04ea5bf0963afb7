"""The netns backend: hosts are made of namespaces, and run local commands."""
