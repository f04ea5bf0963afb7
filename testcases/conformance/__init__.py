"""The conformance test cases: one RFC requirement each, provoked by a peer of ours."""
