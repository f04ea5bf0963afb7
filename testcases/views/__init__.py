"""What traces show: packets, frames and messages of a side, and the RFCs' objects made of them."""
