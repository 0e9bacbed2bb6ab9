"""Labels, sample weights and masks as Keras takes them, against stock Keras and NumPy."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from brainprop.rules.brainprop import BrainProp
from brainprop.rules.ebp import EBP
from brainprop.rules.labels import class_indices
from brainprop.training.evaluation import evaluate

CLASSES, RULES = 4, [BrainProp, EBP]
rng = np.random.default_rng(0)
FEATURES = rng.random((16, 5), "float32")
LABELS = rng.integers(CLASSES, size=16).astype("int32")
EAGER = {"run_eagerly": True, "metrics": ["accuracy"]}  # Tracing would take longer than the steps.
STOCK = EAGER | {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}


def network(rule, masking=False, **compiled):
    """A small network with the same weights for every rule; BrainProp does not explore."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,))
    features = keras.layers.Masking()(inputs) if masking else inputs
    hidden = keras.layers.Dense(7, "relu")(features)
    arguments = {"exploration_rate": 0} if rule is BrainProp else {}
    model = rule(inputs, keras.layers.Dense(CLASSES)(hidden), **arguments)
    model.compile(keras.optimizers.SGD(0.1), **({"metrics": ["accuracy"]} | compiled))
    return model


def trained(rule, labels, **options):
    """The weights and the history after an epoch in batches of `CLASSES`, not shuffled."""
    model = network(rule, **EAGER)
    history = model.fit(FEATURES, labels, CLASSES, shuffle=False, verbose=0, **options).history
    return model.get_weights(), history, model.evaluate(FEATURES, labels, CLASSES, verbose=0)


@cache
def trained_as_usual(rule):
    return trained(rule, LABELS)


def assert_equal(a, b):
    keras.tree.map_structure(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "given",
    [
        [LABELS],
        (LABELS,),
        LABELS[:, None],
        LABELS.astype("uint8"),
        LABELS.astype("float32"),
        LABELS.astype("int64"),
        [LABELS[:, None]],
    ],
    ids=["list", "tuple", "column", "uint8", "float32", "int64", "list of a column"],
)
def test_each_form_of_labels_trains_alike(rule, given):
    """Batches have as many trials as there are classes, where labels could pass for one-hot."""
    assert_equal(trained(rule, given), trained_as_usual(rule))


@pytest.mark.parametrize("rule", RULES)
def test_labels_in_a_tuple_come_from_a_dataset(rule):
    def fitted(labels):
        model = network(rule)
        batches = tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(CLASSES)
        model.fit(batches, verbose=0)
        return model.get_weights()

    expected = fitted(LABELS)
    assert_equal(fitted((LABELS,)), expected)
    assert_equal(fitted({"classes": LABELS}), expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_model_takes_one_form_after_another(rule):
    one_hot = keras.utils.to_categorical(LABELS, CLASSES)

    def tested(labels):
        figures = model.test_on_batch(FEATURES, labels, return_dict=True)
        return {name: float(value) for name, value in figures.items()}

    for first, second in ((LABELS, one_hot), (one_hot, [LABELS[:, None]])):
        model = network(rule)
        expected = tested(first)
        assert tested(second) == pytest.approx(expected)
        model.train_on_batch(FEATURES, first)
        model.train_on_batch(FEATURES, second)
        right = np.mean(np.argmax(model(FEATURES), -1) == LABELS)
        assert tested(second)["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("rule", RULES)
def test_one_hot_labels_of_each_dtype_train_alike(rule):
    """Comparisons and pandas's `get_dummies` give booleans."""
    one_hot = keras.utils.to_categorical(LABELS, CLASSES)
    expected = trained(rule, one_hot)
    for dtype in ("bool", "uint8", "int64", "float64"):
        assert_equal(trained(rule, one_hot.astype(dtype)), expected)


@pytest.mark.parametrize("rule", RULES)
def test_one_hot_labels_may_come_without_a_known_width(rule):
    """As from a generator; Keras takes them. Labels in one column would pass for class 0."""

    def batches(labels, width):
        shapes = tf.TensorSpec((None, 5)), tf.TensorSpec((None, width))
        parts = [(FEATURES[i : i + 8], labels[i : i + 8]) for i in range(0, 16, 8)]
        return tf.data.Dataset.from_generator(lambda: iter(parts), output_signature=shapes)

    one_hot, found = keras.utils.to_categorical(LABELS, CLASSES), []
    for width in (CLASSES, None):
        model = network(rule)
        loss = model.fit(batches(one_hot, width), steps_per_epoch=2, verbose=0).history["loss"]
        found.append((model.get_weights(), loss))
    assert_equal(*found)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not compatible|[Ss]hape"):
        network(rule).fit(batches(LABELS[:, None].astype("float32"), None), verbose=0)


@pytest.mark.parametrize("rule", RULES)
def test_two_labels_for_one_output_are_refused(rule):
    with pytest.raises(ValueError, match="one array each, not 2"):
        network(rule).fit(FEATURES, [LABELS, LABELS], verbose=0)


@pytest.mark.parametrize("rule", RULES)
def test_labels_that_are_no_class_stop_training_under_xla(rule):
    """XLA cannot raise an error. The loss becomes NaN instead, as Keras's own does."""
    labels = LABELS.astype("int64")
    model = network(rule, jit_compile=True, metrics=[])
    start = model.get_weights()
    for label in (labels[7], -1, CLASSES, 2**32):
        wrong = label not in range(CLASSES)
        labels[7] = label
        model.set_weights(start)
        assert np.isnan(model.train_on_batch(FEATURES, labels)) == wrong


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_labels_that_are_no_whole_numbers_stop_training(rule, jit_compile):
    """Keras's own losses take 1.5 for class 1."""
    model = network(rule, jit_compile=jit_compile, metrics=[])
    for wrong in (1.5, np.nan):
        labels = LABELS.astype("float32")
        labels[7] = wrong
        if jit_compile:
            assert np.isnan(model.train_on_batch(FEATURES, labels))
        else:
            with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be 0 to 3, not"):
                model.train_on_batch(FEATURES, labels)


@pytest.mark.parametrize("rule", RULES)
def test_labels_that_are_no_numbers_make_the_loss_nan(rule):
    one_hot = keras.utils.to_categorical(LABELS, CLASSES)
    one_hot[7] = np.nan
    trained = network(rule).train_on_batch(FEATURES, one_hot, return_dict=True)
    assert np.isnan(trained["loss"])


def test_a_one_hot_row_of_zeros_names_no_class():
    one_hot = np.array([[0, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5]], "float32")
    np.testing.assert_array_equal(class_indices(one_hot, 3), [-1, 1, 2])
    zeros = np.zeros((16, CLASSES), "float32")
    model = network(BrainProp)
    q = model.predict(FEATURES, verbose=0).max(-1)
    assert model.evaluate(FEATURES, zeros, verbose=0)[0] == pytest.approx(np.mean(q**2) / 2)


def masked_trials():
    features = FEATURES.copy()
    features[::3] = 0  # `Masking` masks these rows.
    return features, np.any(features != 0, axis=-1)


@pytest.mark.parametrize("weighted", [False, True])
def test_masked_trials_do_not_count_as_in_keras(weighted):
    """Stock Keras, with the loss that EBP has."""
    features, _ = masked_trials()
    weights = np.linspace(0, 2, len(LABELS)).astype("float32") if weighted else None
    ours, stock, found = network(EBP, True, **EAGER), network(keras.Model, True, **STOCK), []
    for model in (ours, stock):
        history = model.fit(
            features, LABELS, 10, 2, sample_weight=weights, shuffle=False, verbose=0
        ).history
        score = model.evaluate(features, LABELS, 10, verbose=0)
        found.append((model.get_weights(), history["loss"], history["accuracy"], score))
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *found)


@pytest.mark.parametrize("nested", [False, True])
def test_masked_images_are_not_evaluated_as_in_keras(nested):
    """Stock Keras. The batches have different numbers of them, and one has none that counts."""
    features = np.tile(FEATURES, (20, 1))
    labels, counts = rng.integers(CLASSES, size=len(features)), rng.random(len(features)) < 0.6
    counts[: len(features) // 2] |= rng.random(len(features) // 2) < 0.5
    counts[256:] = False
    features[~counts] = 0
    ours, stock = network(EBP, True), network(keras.Model, True, **STOCK)
    if nested:
        inputs = keras.Input((5,))
        ours = EBP(inputs, keras.layers.Dense(CLASSES)(ours(inputs)))
        ours.layers[-1].set_weights([np.eye(CLASSES), np.zeros(CLASSES)])
    found = evaluate(ours, features, labels)
    expected = stock.evaluate(features, labels, 128, verbose=0)
    assert (found.loss, found.accuracy) == pytest.approx(tuple(expected), rel=1e-5)
    np.testing.assert_array_equal(found.counts, counts)
    matrix = np.zeros((CLASSES, CLASSES), int)
    answers = stock.predict(features, verbose=0).argmax(-1)
    np.add.at(matrix, (labels[counts], answers[counts]), 1)
    np.testing.assert_array_equal(found.confusion_matrix(), matrix)
    assert found.correct() == np.sum((answers == labels)[counts]) < found.correct(2)
    assert found.correct(CLASSES) == counts.sum()


def test_masked_trials_do_not_count_under_brainprop():
    """As if the batch held the others only."""
    features, counts = masked_trials()
    masked, alone = network(BrainProp, True), network(BrainProp)
    logs = masked.train_on_batch(features, LABELS, return_dict=True)
    expected = alone.train_on_batch(features[counts], LABELS[counts], return_dict=True)
    assert logs.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, err_msg=name)
    for a, b in zip(masked.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_sample_weights_may_be_a_column_or_in_a_list(rule):
    weights = np.linspace(0, 2, len(LABELS)).astype("float32")
    expected = trained(rule, LABELS, sample_weight=weights)
    assert_equal(trained(rule, LABELS, sample_weight=weights[:, None]), expected)
    assert_equal(trained(rule, [LABELS], sample_weight=[weights]), expected)


@pytest.mark.parametrize("rule", RULES)
def test_the_reported_loss_is_the_mean_over_all_trials(rule):
    """Also where the last batch is smaller, by whatever number the update is divided."""
    model = network(rule, metrics=[])
    model.optimizer.learning_rate = 0.0
    model.update_batch_size = 12
    expected = np.mean(model.trial_losses(LABELS, model(FEATURES)))
    loss = model.fit(FEATURES, LABELS, batch_size=12, verbose=0).history["loss"][0]
    assert loss == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(FEATURES, LABELS, 12, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_the_update_is_divided_by_the_full_batch_size(rule):
    """8 trials of a batch of 32 change the weights by a quarter of what 8 of 8 would."""
    changes = []
    for size in (0, 32):
        model = network(rule, metrics=[])
        model.update_batch_size = size
        before = model.get_weights()
        model.train_on_batch(FEATURES[:8], LABELS[:8])
        changes.append([b - a for a, b in zip(before, model.get_weights(), strict=True)])
    for whole, quarter in zip(*changes, strict=True):
        assert np.abs(whole).max() > 1e-4
        np.testing.assert_allclose(quarter, whole / 4, atol=1e-7)
