"""What is to be run: implementations and test cases, selected into jobs."""
