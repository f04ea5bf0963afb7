"""Requirements that several test cases share, and the words in which checks are written."""
