"""What is optimised, in torch: an encoder, heads at its layers, and the whole of them."""
