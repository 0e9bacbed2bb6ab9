"""BrainProp on tabular data: scikit-learn's digits, 64 numbers each, in ten classes.

    python -m examples.digits

Takes seconds, needs scikit-learn (`pip install scikit-learn`) but no internet, and reaches a test
accuracy above 95 %.
"""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from brainprop import BrainProp

keras.utils.set_random_seed(1)
features, classes = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(features / 16, classes, random_state=1)

network = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(128, activation="relu", use_bias=False),
        keras.layers.Dense(10, use_bias=False),  # The Q-values: linear.
    ]
)
model = BrainProp.from_model(network, seed=1)
model.compile(keras.optimizers.SGD(0.3), metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=15, verbose=2)

accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
print(f"test accuracy {accuracy:.4f}")
