"""The network of an attempt: its topology, the link's model and the middlebox that plays it."""
