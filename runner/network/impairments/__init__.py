"""What scenarios do to packets beyond the link: loss, corruption, reordering, rebinding."""
