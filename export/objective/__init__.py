"""What is optimised, in torch: an encoder, loss heads at its layers, and the whole of them."""
