"""What an attempt stores: captures, key logs and the files that endpoints wrote."""
