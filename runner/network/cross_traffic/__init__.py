"""The TCP flow of tcp-cross-traffic: its two hosts, its sockets and its goodput."""
