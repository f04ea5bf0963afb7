"""Requirements that several test cases share."""
