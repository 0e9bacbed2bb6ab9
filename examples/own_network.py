"""Your own network: a small residual network on CIFAR-10, learning by BrainProp or by EBP.

    python -m examples.own_network BrainProp
    python -m examples.own_network EBP

A learning rule takes any Sequential or functional Keras network. Two things are special: the
output layer is linear, and `compile` takes no loss. At a learning rate of 0.1, Q-values stay
bounded if they start small and their layer sees little activity. Here they start at 0, and global
pooling averages the activity.
"""

import argparse

import brainprop

EPOCHS = 5


def build_model(algorithm):
    """Returns a compiled model that takes images of shape `(batch, 32, 32, 3)`."""
    import keras  # Only now, since TensorFlow takes seconds to import.
    from keras import layers

    def conv(activity, filters, strides=1):
        activity = layers.Conv2D(
            filters, 3, strides, "same", activation="relu", kernel_initializer="he_normal"
        )(activity)
        return layers.BatchNormalization(momentum=0.9)(activity)

    def residual_block(activity, filters, strides=1):
        shortcut = layers.Conv2D(filters, 1, strides)(activity)
        activity = conv(conv(activity, filters, strides), filters)
        return layers.Add()([activity, shortcut])

    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    activity = layers.Rescaling(1 / 255)(inputs)
    activity = conv(activity, 32, strides=2)
    activity = residual_block(activity, 32)
    activity = residual_block(activity, 64, strides=2)
    activity = layers.GlobalAveragePooling2D()(activity)
    outputs = layers.Dense(10, kernel_initializer="zeros")(activity)

    learning_rule = getattr(brainprop, algorithm)  # brainprop.BrainProp or brainprop.EBP
    model = learning_rule.from_model(keras.Model(inputs, outputs))
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    return model


def main(argv=None):
    """Trains the network, and prints each epoch."""
    parser = argparse.ArgumentParser("own_network", description=__doc__.split("\n")[0])
    parser.add_argument("algorithm", choices=["BrainProp", "EBP"])
    parser.add_argument("--max-train-samples", type=int, metavar="N", help="train on N images only")
    parser.add_argument("--max-eval-samples", type=int, metavar="N", help="test on N images only")
    arguments = parser.parse_args(argv)
    try:
        data = brainprop.load_data(
            "CIFAR10",
            max_train_samples=arguments.max_train_samples,
            max_eval_samples=arguments.max_eval_samples,
        )
        run = brainprop.train(build_model(arguments.algorithm), data, epochs=EPOCHS, batch_size=32)
    except brainprop.BrainPropError as error:
        parser.exit(2, f"own_network: error: {error}\n")
    print(f"best test accuracy {run.best_accuracy:.4f} at epoch {run.best_epoch}")


if __name__ == "__main__":
    main()
