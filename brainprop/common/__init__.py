"""What all other packages use: errors, arguments, files, signals, the start of TensorFlow."""
