"""What docs/extending.md says that Keras does to a network of one's own."""

import keras
import numpy as np
import pytest

from brainprop import EBP, BrainProp, train

RNG = np.random.default_rng(0)
LABELS = RNG.integers(10, size=600)
IMAGES = RNG.normal(size=(600, 20)).astype("float32")
IMAGES[np.arange(600), LABELS] += 2


def network(rule=EBP, constraint=None, **arguments):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((20,))
    hidden = keras.layers.Dense(30, activation="relu", kernel_constraint=constraint)(inputs)
    return rule(inputs, keras.layers.Dense(10)(hidden), **arguments)


def averaging():
    return keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)


@pytest.mark.parametrize("swap", [False, True])
def test_train_keeps_averaged_weights_if_they_are_swapped(swap):
    model, kernels, average = network(), [], None
    model.compile(averaging(), metrics=["accuracy"])
    seen = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: kernels.append(model.get_weights()[0])
    )
    callbacks = [seen, *([keras.callbacks.SwapEMAWeights()] if swap else [])]
    data = ((IMAGES[:400], LABELS[:400]), (IMAGES[400:], LABELS[400:]))
    run = train(model, data, epochs=3, batch_size=50, callbacks=callbacks, verbose=0)
    for kernel in kernels[: 8 * run.best_epoch]:  # The first average is the first step's weights.
        average = kernel if average is None else 0.9 * average + 0.1 * kernel
    kept = average if swap else kernels[8 * run.best_epoch - 1]
    np.testing.assert_allclose(run.model.get_weights()[0], kept, atol=1e-5)
    accuracy = model.evaluate(*data[1], verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(run.best_accuracy)


def test_averages_break_constraints():
    for optimizer, sound in ((keras.optimizers.SGD(0.5), True), (averaging(), False)):
        model = network(BrainProp, "non_neg", seed=1)
        model.compile(optimizer)
        model.fit(IMAGES, LABELS, epochs=5, verbose=0)
        assert (model.get_weights()[0].min() >= 0) == sound


def test_a_second_compile_keeps_metrics_and_a_new_model_has_none():
    model = network(BrainProp)
    model.compile("sgd", metrics=["accuracy"])
    model.train_on_batch(IMAGES, LABELS)
    model.compile("sgd")
    assert "accuracy" in model.train_on_batch(IMAGES, LABELS, return_dict=True)
    model = BrainProp.from_model(model)
    model.compile("sgd")
    assert "accuracy" not in model.train_on_batch(IMAGES, LABELS, return_dict=True)


@pytest.mark.parametrize("seed", [3, None])
def test_a_loaded_model_draws_from_the_beginning(seed, tmp_path):
    model = network(BrainProp, seed=seed)
    model.compile("sgd")
    first = model.seed_generator.state.numpy().copy()
    model.train_on_batch(IMAGES, LABELS)
    assert (model.seed_generator.state != first).numpy().any()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").seed_generator.state.numpy()
    assert (loaded == first).all() == (seed is not None) and loaded[1] == 0
