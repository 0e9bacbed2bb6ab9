"""What every room uses: errors, arguments, files, streams and signals, TensorFlow's start."""
