"""The learning rules: BrainProp, error-backpropagation, and BrainProp written out in NumPy."""
