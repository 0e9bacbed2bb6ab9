"""Two architectures: one of the paper's blocks, one of any Keras layers.

python main.py MNIST pooled BrainProp --plugin examples/plugins/architectures.py
python main.py CIFAR10 residual BrainProp --plugin examples/plugins/architectures.py
"""

from brainprop import register_architecture

register_architecture(
    "pooled",
    (("conv", 32), ("max_pool",), ("conv", 64), ("max_pool",), ("flatten",), ("dense", 200)),
    datasets=("MNIST",),  # Without it, the network goes with every data set.
    l2=1e-4,
)


def residual(images, blocks):
    """Returns the activity of the last hidden layer, shape `(batch, units)`."""
    from keras import layers  # Only now, since TensorFlow takes seconds to import.

    def conv(activity, filters, strides=1):
        for layer in blocks.conv(filters, strides):
            activity = layer(activity)
        return activity

    def block(activity, filters, strides):
        shortcut = layers.Conv2D(filters, 1, strides, **blocks.kernel())(activity)
        return layers.Add()([conv(conv(activity, filters, strides), filters), shortcut])

    activity = conv(images, 32)
    for filters, strides in ((32, 1), (64, 2), (128, 2)):
        activity = block(activity, filters, strides)
    return layers.GlobalAveragePooling2D()(activity)


# Two residual paths in a row need larger kernels than the paper's: else nothing reaches the output.
register_architecture("residual", build=residual, kernel_stddev=0.05)
