"""Networks: layers, the paper's architectures, compiled models, weights files."""
