"""The data sets: from files on disk to arrays in memory, without TensorFlow."""
