#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): keras.distillation.LogitsDistillation, with its default loss and with
# each string that its documentation shows, compares logits where the loss expects probabilities. The softmax at the given
# temperature is only taken for an instance of KLDivergence; but "kl_divergence", the default, becomes the plain
# function. That clips the scaled logits to [1e-7, 1]: a student's logits below 0 or above the temperature get no gradient at
# all, and classes that the teacher excludes hardly count. With "categorical_crossentropy", too, a student
# that answers as its teacher does and one with ten times its logits have the same loss, below zero. With
# CategoricalCrossentropy(from_logits=True) the targets are the teacher's logits, and the loss has no lower
# bound. The Distiller also ignores the regularization losses of the student. No error, no warning.
# Way out: LogitsDistillation(loss=keras.losses.KLDivergence()), and weight decay in the optimizer.
#
# Seen (the loss of one trial at temperature 2, and 4 times the divergence of the softmaxes; loss of the student that
# equals its teacher, and of one with 10 times its logits; how often a student that learns from its teacher
# alone answers like it, of 2000 trials with 10 classes; the sum of squares of a student's kernel after 20 epochs):
#   divergence                      default 16.118   KLDivergence() 13.615   true 13.615
#   "categorical_crossentropy"      equal -23.628   times ten -23.628
#   CategoricalCrossentropy(True)   equal -4.786   times ten -50.000
#   agreement with the teacher      default 0.249   KLDivergence() 0.992
#   weight decay                    without 169.443   with 169.443
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras.distillation import Distiller, LogitsDistillation

teacher, student = np.array([[5.0, 1, -3]]), np.array([[-3.0, 1, 5]])


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def loss(kind, teacher, student):
    settings = {} if kind is None else {"loss": kind}
    return float(LogitsDistillation(temperature=2.0, **settings).compute_loss(teacher, student))


p, q = softmax(teacher / 2), softmax(student / 2)
true = 4 * np.sum(p * np.log(p / q))
default, instance = loss(None, teacher, student), loss(keras.losses.KLDivergence(), teacher, student)
print(f"divergence                      default {default:.3f}   KLDivergence() {instance:.3f}   true {true:.3f}")
assert abs(instance - true) < 1e-4 < 1 < abs(default - true)

for name, kind in (
    ('"categorical_crossentropy"   ', "categorical_crossentropy"),
    ("CategoricalCrossentropy(True)", keras.losses.CategoricalCrossentropy(from_logits=True)),
):
    equal, tenfold = loss(kind, teacher, teacher), loss(kind, teacher, 10 * teacher)
    print(f"{name}   equal {equal:.3f}   times ten {tenfold:.3f}")
    # The least cross-entropy is the teacher's own entropy, of an equal student.
    assert tenfold <= equal < 0 < -np.sum(p * np.log(p))

rng = np.random.default_rng(0)
trials, directions = rng.normal(size=(2000, 20)), rng.normal(size=(20, 10))


def network(kernel=None, **kwargs):
    start = keras.initializers.RandomNormal(stddev=0.1, seed=1)
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(10, kernel_initializer=start, **kwargs)])
    if kernel is not None:
        model.set_weights([kernel, np.zeros(10)])
    return model


def distilled(kind, epochs, weight=0.0, **kwargs):
    keras.utils.set_random_seed(1)
    settings = {} if kind is None else {"loss": kind}
    distiller = Distiller(
        network(directions), network(**kwargs), LogitsDistillation(temperature=3.0, **settings), student_loss_weight=weight
    )
    distiller.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    labels = np.argmax(trials @ directions, axis=1)
    distiller.fit(trials, labels, batch_size=50, epochs=epochs, verbose=0)
    kernel, bias = distiller.student.get_weights()
    return np.mean(np.argmax(trials @ kernel + bias, axis=1) == labels), np.sum(kernel**2)


default, instance = distilled(None, 20)[0], distilled(keras.losses.KLDivergence(), 20)[0]
print(f"agreement with the teacher      default {default:.3f}   KLDivergence() {instance:.3f}")
assert default < 0.5 < 0.9 < instance

plain, decayed = (
    distilled(keras.losses.KLDivergence(), 20, kernel_regularizer=r)[1] for r in (None, keras.regularizers.L2(1.0))
)
print(f"weight decay                    without {plain:.3f}   with {decayed:.3f}")
assert plain == decayed > 1
PYTHON
