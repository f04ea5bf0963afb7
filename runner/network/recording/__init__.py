"""What the middlebox records: captures with each datagram's fate, the link log and its lateness."""
