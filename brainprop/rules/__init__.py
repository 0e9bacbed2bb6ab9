"""The learning rules: BrainProp, EBP, feedback connections, and BrainProp written out in NumPy."""
