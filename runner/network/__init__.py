"""The network of an attempt: its topology, the scenarios and the middlebox that emulates them."""
