"""What works where: activations × the things that users of PyTorch and JAX do with them."""
