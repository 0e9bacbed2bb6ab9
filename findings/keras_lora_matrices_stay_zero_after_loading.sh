#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): a layer with LoRA learns nothing more after its weights were loaded.
# A file holds the kernel with the product of the two matrices merged, as meant. But on loading, Keras sets both
# matrices to zero, where enable_lora starts one of them at random values. The gradient of each is a product with the
# other, so both are zero for ever; the kernel is frozen. So a model that is saved, loaded and compiled for the
# next task, or with another learning rate, trains nothing of Dense, EinsumDense, convolution and Embedding layers,
# though summary counts these matrices as trainable. Weights loaded into a model with LoRA, say those of
# the base model, do the same. BackupAndRestore resumes a run that stands still. Adam with its state from
# the file gets away, as old momentum moves both matrices. No error, no warning.
# Also, Dense and Embedding forget their argument lora_alpha when they are built, new or from a file, and scale by 1.
# Ways out: set the first matrix to random values (lora_kernel_a.assign) after each loading; and set layer.lora_alpha.
#
# Seen (mean squared error at first and at last of 30 epochs with a new Adam, in the loaded model; the largest entry of
# its matrices then; the same for the model that was saved, and after loading and one assign; the last losses of 20
# epochs at once, and of two times 10 with plain SGD; and the scale of each layer with lora_alpha=16, lora_rank=2):
#   Dense          5.493  loaded 5.493  matrices 0.0
#                  5.493  at once 2.656  with a random first matrix 3.116
#   Conv2D         5.072  loaded 5.072  matrices 0.0
#   Embedding      0.710  loaded 0.710  matrices 0.0
#   base weights   6.207  loaded 6.207  matrices 0.0
#   BackupAndRestore, SGD    at once 4.512  in pieces 5.406, as after epoch 10
#   lora_alpha / lora_rank = 8  Dense 1.000 Embedding 1.000 EinsumDense 8.000 Conv2D 8.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

rng = np.random.default_rng(0)
images, true = rng.normal(size=(64, 3, 3, 6)).astype("float32"), rng.normal(size=(6, 5)).astype("float32")
rows, words = images[:, 0, 0], rng.integers(0, 9, (64, 1))
kinds = {
    "Dense": (lambda: keras.layers.Dense(5, use_bias=False), rows, rows @ true),
    "Conv2D": (lambda: keras.layers.Conv2D(5, 1, use_bias=False), images, images @ true),
    "Embedding": (lambda: keras.layers.Embedding(9, 5), words, rng.normal(size=(9, 5))[words]),
}


def network(kind, optimizer, lora=True):
    layer, inputs, _ = kinds[kind]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(inputs.shape[1:]), layer()])
    if lora:
        model.layers[0].enable_lora(2)
    model.compile(optimizer, loss="mse", jit_compile=False)
    return model


def fit(model, kind, epochs, **kwargs):
    return model.fit(*kinds[kind][1:], batch_size=64, epochs=epochs, verbose=0, **kwargs).history["loss"]


def trained(model, kind):
    """Trains with a new optimizer; returns the losses at first and at last."""
    model.compile(keras.optimizers.Adam(0.02), loss="mse", jit_compile=False)
    losses = fit(model, kind, 30)
    return losses[0], losses[-1]


def largest(model):
    assert len(model.trainable_weights) == 2
    return max(np.abs(weight.numpy()).max() for weight in model.trainable_weights)


for kind in kinds:
    model = network(kind, keras.optimizers.Adam(0.02))
    first = model.trainable_weights[0].numpy()
    last = fit(model, kind, 10)[-1]
    model.save("model.keras")
    loaded = keras.models.load_model("model.keras")
    start, end = trained(loaded, kind)
    print(f"{kind:14} {start:.3f}  loaded {end:.3f}  matrices {largest(loaded)}")
    assert start < last and abs(end - start) < 1e-5 and largest(loaded) == 0
    if kind == "Dense":
        before, at_once = trained(model, kind)
        loaded.trainable_weights[0].assign(first)
        again, helped = trained(loaded, kind)
        print(f"               {start:.3f}  at once {at_once:.3f}  with a random first matrix {helped:.3f}")
        assert abs(before - start) < 1e-3 and abs(again - start) < 1e-3  # The file itself is right.
        assert max(at_once, helped) < 0.8 * start

network("Dense", "adam", lora=False).save_weights("base.weights.h5")
model = network("Dense", "adam")
model.load_weights("base.weights.h5")
start, end = trained(model, "Dense")
print(f"base weights   {start:.3f}  loaded {end:.3f}  matrices {largest(model)}")
assert abs(end - start) < 1e-5 and largest(model) == 0


def backed_up(epochs):
    backup = keras.callbacks.BackupAndRestore("backup", delete_checkpoint=False)
    return fit(network("Dense", keras.optimizers.SGD(0.1)), "Dense", epochs, callbacks=[backup])


whole = fit(network("Dense", keras.optimizers.SGD(0.1)), "Dense", 20)
first, second = backed_up(10), backed_up(20)
print(f"BackupAndRestore, SGD    at once {whole[-1]:.3f}  in pieces {second[-1]:.3f}, as after epoch 10")
assert len(second) == 10 and first == whole[:10] and whole[-1] < 0.9 * whole[10]
assert max(second) - min(second) < 1e-5 and abs(second[0] - whole[10]) < 1e-3

shown = []
for layer in (
    keras.layers.Dense(5, lora_rank=2, lora_alpha=16),
    keras.layers.Embedding(9, 5, lora_rank=2, lora_alpha=16),
    keras.layers.EinsumDense("ab,bc->ac", 5, lora_rank=2, lora_alpha=16),
    keras.layers.Conv2D(5, 1, lora_rank=2, lora_alpha=16),
):
    layer.build((None, 3, 3, 6) if isinstance(layer, keras.layers.Conv2D) else (None, 6))
    first, second = (weight for weight in layer.trainable_weights if "lora" in weight.name)
    second.assign(rng.normal(size=second.shape))
    embedding = isinstance(layer, keras.layers.Embedding)
    merged, plain = (layer.embeddings, layer._embeddings) if embedding else (layer.kernel, layer._kernel)
    scale = (merged.numpy() - plain.numpy()) / (first.numpy() @ second.numpy())
    shown.append((type(layer).__name__, float(np.median(scale))))
print("lora_alpha / lora_rank = 8 ", *(f"{name} {scale:.3f}" for name, scale in shown))
assert all(abs(scale - right) < 1e-2 for (_, scale), right in zip(shown, (1, 1, 8, 8), strict=True))
PYTHON
