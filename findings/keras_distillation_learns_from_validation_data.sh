#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): a keras.distillation.Distiller with the features of a layer runs the
# student a second time for them, always in training mode, in evaluate and in validation, too. So evaluate
# changes the student: its batch normalization takes in the statistics of the validation data, and fit with
# validation_data gives another student than fit without. Dropout stays on in the features, so the loss of evaluate
# is random, and not zero for a student that equals its teacher. In training, moving averages move twice
# per step, and features come from another dropout mask than the predictions. And a student_layer_name
# without a teacher_layer_name, which by the documentation compares that layer with the teacher's final output,
# is ignored: the final outputs are compared. Distillation of logits is right. No error, no warning.
# Way out: validate a copy of the student by itself (distiller.student), without validation_data in fit.
#
# Seen (the student's moving mean before, and after evaluate on data with mean 5; the same after one step of fit on
# them, with momentum 0.9; after 20 epochs on data with mean 0, without validation data, and with some of mean 5; the
# distillation loss of a student that equals its teacher, in two evaluations; and the loss that should compare a layer):
#   evaluate          logits 0.000 -> 0.000   features 0.000 -> 0.500
#   one step          logits 0.500   features 0.950   written out 0.500
#   fit               without validation data 0.002   with 1.843
#   equal student     no dropout 0.0000 0.0000   dropout 3.8947 2.8984
#   student's layer   hidden: 0.0006, written out 4.0310   out: 0.0006, written out 0.0006
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras.distillation import Distiller, FeatureDistillation, LogitsDistillation

rng = np.random.default_rng(0)
near = rng.normal(size=(64, 4)).astype("float32")
labels, far = near[:, :1] > 0, near - near.mean(axis=0) + 5
logits = LogitsDistillation(loss=keras.losses.MeanSquaredError())
features = FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden")


def network(name, normalize=True, dropout=0.0, seed=1):
    layers = [
        keras.Input((4,)),
        *([keras.layers.BatchNormalization(momentum=0.9)] if normalize else []),
        keras.layers.Dropout(dropout, seed=2),
        keras.layers.Dense(1, name="hidden", kernel_initializer=keras.initializers.RandomNormal(1.0, seed=seed)),
        keras.layers.Dense(1, "sigmoid", name="out", kernel_initializer="ones"),
    ]
    return keras.Sequential(layers, name=name)


def distiller(loss, **kwargs):
    model = Distiller(network("teacher", kwargs.get("normalize", True)), network("student", **kwargs), loss)
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    return model


def moving_mean(model):
    return float(model.student.layers[0].moving_mean.numpy().mean())


def distillation_loss(model):
    return model.evaluate(near, labels, verbose=0, return_dict=True)["distillation_loss"]


after = []
for loss in (logits, features):
    model = distiller(loss)
    assert moving_mean(model) == 0
    model.evaluate(far, labels, batch_size=64, verbose=0)
    after.append(moving_mean(model))
print("evaluate          logits 0.000 -> {:.3f}   features 0.000 -> {:.3f}".format(*after))
assert after[0] == 0 and abs(after[1] - 0.5) < 1e-5

steps, right = [], (1 - 0.9) * far.mean()
for loss in (logits, features):
    model = distiller(loss)
    model.fit(far, labels, batch_size=64, verbose=0)
    steps.append(moving_mean(model))
print("one step          logits {:.3f}   features {:.3f}   written out {:.3f}".format(*steps, right))
assert abs(steps[0] - right) < 1e-5 and abs(steps[1] - (1 - 0.9**2) * far.mean()) < 1e-5

means = []
for validation in (None, (far, labels)):
    model = distiller(features)
    model.fit(near, labels, batch_size=64, epochs=20, validation_data=validation, verbose=0)
    means.append(moving_mean(model))
print("fit               without validation data {:.3f}   with {:.3f}".format(*means))
assert abs(means[0] - near.mean()) < 0.01 and means[1] > 1

losses = []
for dropout in (0.0, 0.5):
    model = distiller(features, normalize=False, dropout=dropout)
    losses += [distillation_loss(model) for _ in range(2)]
print("equal student     no dropout {:.4f} {:.4f}   dropout {:.4f} {:.4f}".format(*losses))
assert losses[:2] == [0, 0] and min(losses[2:]) > 0.01 and losses[2] != losses[3]

shown = []
for layer in ("hidden", "out"):
    model = distiller(FeatureDistillation(student_layer_name=layer), normalize=False, seed=3)
    values = keras.Model(model.student.inputs[0], model.student.get_layer(layer).output)(near)
    right = float(np.mean((model.teacher(near).numpy() - values.numpy()) ** 2))
    shown.append((distillation_loss(model), right))
text = "student's layer   hidden: {:.4f}, written out {:.4f}   out: {:.4f}, written out {:.4f}"
print(text.format(*shown[0], *shown[1]))
assert shown[0][0] == shown[1][0] and abs(shown[1][0] - shown[1][1]) < 1e-5 and shown[0][1] > 2 * shown[0][0]
PYTHON
