"""The update, against the rule written out in NumPy as the brain would compute it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import run

from brainprop.rules.brainprop import BrainProp
from brainprop.rules.ebp import EBP

LEARNING_RATE = 0.1
CLASSES = 4
GREEDY = {BrainProp: {"exploration_rate": 0}, EBP: {}}  # The rules without random choices.


def small_network(rule, seed=3, l2=0.0, metrics=None, **kwargs):
    """Two hidden ReLU layers and a linear output, no biases, compiled with plain SGD."""

    def dense(units, seed, activation=None):
        return keras.layers.Dense(
            units,
            activation,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=seed),
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        )

    inputs = keras.Input((5,))
    hidden = dense(7, seed, "relu")(inputs)
    hidden = dense(6, seed + 1, "relu")(hidden)
    model = rule(inputs, dense(CLASSES, seed + 2)(hidden), **kwargs)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), metrics=metrics)
    return model


@pytest.fixture
def trials():
    rng = np.random.default_rng(0)
    return rng.random((8, 5), "float32"), rng.integers(CLASSES, size=8).astype("int32")


def forward(weights, image):
    """Feedforward activity of every layer, for one trial."""
    activities = [image]
    for weight in weights[:-1]:
        activities.append(np.maximum(activities[-1] @ weight, 0))
    return activities, activities[-1] @ weights[-1]


def local_update(weights, images, labels, learning_rate=LEARNING_RATE, sample_weight=None):
    """The rule, trial by trial: presynaptic activity x attention feedback x broadcast delta."""
    updates = [np.zeros_like(weight) for weight in weights]
    sample_weight = np.ones(len(images)) if sample_weight is None else sample_weight
    for image, label, share in zip(images, labels, sample_weight, strict=True):
        activities, q_values = forward(weights, image)
        selected = np.argmax(q_values)
        delta = (selected == label) - q_values[selected]
        feedback = np.eye(len(q_values))[selected]  # from the selected output unit alone
        for layer in reversed(range(len(weights))):
            tag = np.outer(activities[layer], feedback)
            updates[layer] += learning_rate * delta * tag * share / len(images)
            feedback = (weights[layer] @ feedback) * (activities[layer] > 0)
    return updates


def test_a_step_is_the_rule_written_out_locally(trials):
    images, labels = trials
    model = small_network(BrainProp, exploration_rate=0)
    before = model.get_weights()
    expected = local_update(before, images, labels)
    model.train_on_batch(images, labels)
    for old, new, update in zip(before, model.get_weights(), expected, strict=True):
        assert np.abs(update).max() > 1e-4
        np.testing.assert_allclose(new - old, update, atol=1e-6)


def test_one_hot_labels_give_the_same_step(trials):
    images, labels = trials
    integer, one_hot = (small_network(BrainProp, exploration_rate=0) for _ in range(2))
    logs = [
        integer.train_on_batch(images, labels, return_dict=True),
        one_hot.train_on_batch(images, np.eye(CLASSES)[labels], return_dict=True),
    ]
    assert logs[0] == logs[1]
    for a, b in zip(integer.get_weights(), one_hot.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sample_weights_scale_each_trial(trials):
    images, labels = trials
    sample_weight = np.linspace(0, 2, len(labels)).astype("float32")
    model = small_network(BrainProp, exploration_rate=0)
    before = model.get_weights()
    expected = local_update(before, images, labels, sample_weight=sample_weight)
    model.train_on_batch(images, labels, sample_weight=sample_weight)
    for old, new, update in zip(before, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(new - old, update, atol=1e-6)


def test_output_units_that_were_not_selected_do_not_move(trials):
    images, labels = trials
    model = small_network(BrainProp, exploration_rate=0)
    selected = np.argmax(model(images), axis=-1)
    others = np.setdiff1d(np.arange(CLASSES), selected)
    assert len(others) > 0
    before = model.get_weights()[-1]
    model.train_on_batch(images, labels)
    after = model.get_weights()[-1]
    np.testing.assert_array_equal(after[:, others], before[:, others])
    assert np.abs(after[:, selected] - before[:, selected]).max() > 1e-4


def test_nothing_moves_when_the_reward_is_as_predicted():
    inputs = keras.Input((2,))
    model = BrainProp(inputs, keras.layers.Dense(2, use_bias=False)(inputs), exploration_rate=0)
    model.set_weights([np.array([[1.0, 0.0], [0.0, 0.5]], "float32")])
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    before = model.get_weights()
    logs = model.train_on_batch(np.array([[1.0, 0.0]], "float32"), np.array([0]), return_dict=True)
    assert logs["loss"] == 0  # reward 1, q_s 1
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_weight_decay_adds_to_the_update(trials):
    images, labels = trials
    l2 = 0.01
    model = small_network(BrainProp, l2=l2, exploration_rate=0)
    before = model.get_weights()
    expected = local_update(before, images, labels)
    model.train_on_batch(images, labels)
    for old, new, update in zip(before, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(new - old, update - LEARNING_RATE * 2 * l2 * old, atol=1e-6)


def test_reported_loss_is_half_the_squared_reward_prediction_error(trials):
    images, labels = trials
    model = small_network(BrainProp, metrics=["accuracy"], exploration_rate=0)
    q_values = np.asarray(model(images))
    delta = (q_values.argmax(-1) == labels) - q_values.max(-1)
    expected = np.mean(delta**2) / 2
    assert model.evaluate(images, labels, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    logs = model.train_on_batch(images, labels, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["accuracy"] == pytest.approx(np.mean(q_values.argmax(-1) == labels))


def test_exploration_is_max_boltzmann():
    epsilon, draws = 0.3, 60_000
    q_values = np.array([0.2, 1.0, -0.5, 0.6], "float32")
    model = small_network(BrainProp, exploration_rate=epsilon)
    model.seed_generator.state.assign([5, 0])
    selected = model.select_class(tf.tile(q_values[None], [draws, 1])).numpy()
    boltzmann = np.exp(q_values) / np.exp(q_values).sum()
    expected = draws * (epsilon * boltzmann + (1 - epsilon) * (q_values == q_values.max()))
    observed = np.bincount(selected, minlength=CLASSES)
    chi_square = np.sum((observed - expected) ** 2 / expected)
    assert chi_square < 16.27  # the 0.1 % point with 3 degrees of freedom


def test_exploration_differs_between_steps_and_follows_the_seed():
    q_values = tf.zeros((1000, CLASSES))
    models = [small_network(BrainProp, exploration_rate=1.0) for _ in range(2)]
    for model in models:
        model.seed_generator.state.assign([11, 0])
    first, again = (model.select_class(q_values).numpy() for model in models)
    np.testing.assert_array_equal(first, again)
    assert np.any(models[0].select_class(q_values).numpy() != first)


def test_exploration_rate_may_be_set_after_a_step(trials):
    images, labels = trials
    model = small_network(BrainProp, exploration_rate=1.0, seed=2)
    model.train_on_batch(images, labels)
    model.exploration_rate = 0
    before = model.get_weights()
    expected = local_update(before, images, labels)
    model.train_on_batch(images, labels)
    for old, new, update in zip(before, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(new - old, update, atol=1e-6)


def test_exploration_rate_may_be_set_while_training_goes_on(trials):
    """Without exploration from the second epoch on, one more step is a greedy one."""
    images, labels = trials
    model = small_network(BrainProp, exploration_rate=1.0, seed=2)
    before = []

    class Anneal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.exploration_rate = 1.0 - epoch
            before.append(self.model.get_weights())

    model.fit(images, labels, batch_size=8, epochs=2, verbose=0, callbacks=[Anneal()])
    expected = local_update(before[1], images, labels)
    for old, new, update in zip(before[1], model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(new - old, update, atol=1e-6)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_keras_metrics_take_labels_as_they_are_given(rule, trials):
    images, labels = trials
    model = small_network(rule)
    correct = np.mean(np.argmax(model(images), axis=-1) == labels)
    one_hot = keras.utils.to_categorical(labels, CLASSES)
    for given, metric in (
        (labels, "accuracy"),
        (labels[:, None], "accuracy"),
        (labels, "sparse_categorical_accuracy"),
        (one_hot, "accuracy"),
        (one_hot, "categorical_accuracy"),
    ):
        model.compile(keras.optimizers.SGD(0.0), metrics=[metric], run_eagerly=True)
        trained = model.train_on_batch(images, given, return_dict=True)
        evaluated = model.evaluate(images, given, verbose=0, return_dict=True)
        assert trained[metric] == evaluated[metric] == pytest.approx(correct)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_exploration_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match="exploration_rate"):
        small_network(BrainProp, exploration_rate=rate)


def test_ebp_is_softmax_and_cross_entropy(trials):
    images, labels = trials
    model = small_network(EBP)
    weights = model.get_weights()
    updates = [np.zeros_like(weight) for weight in weights]
    losses = []
    for image, label in zip(images, labels, strict=True):
        activities, logits = forward(weights, image)
        probabilities = np.exp(logits) / np.exp(logits).sum()
        losses.append(-np.log(probabilities[label]))
        error = np.eye(CLASSES)[label] - probabilities
        for layer in reversed(range(len(weights))):
            updates[layer] += LEARNING_RATE * np.outer(activities[layer], error) / len(images)
            error = (weights[layer] @ error) * (activities[layer] > 0)
    logs = model.train_on_batch(images, labels, return_dict=True)
    assert logs["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    for old, new, update in zip(weights, model.get_weights(), updates, strict=True):
        assert np.abs(update).max() > 1e-4
        np.testing.assert_allclose(new - old, update, atol=1e-6)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_saved_model_comes_back(rule, trials, tmp_path):
    images, labels = trials
    model = small_network(rule, **({"exploration_rate": 0.5} if rule is BrainProp else {}))
    model.train_on_batch(images, labels)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is rule
    assert getattr(loaded, "exploration_rate", None) == getattr(model, "exploration_rate", None)
    np.testing.assert_array_equal(loaded(images), model(images))
    loaded.train_on_batch(images, labels)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_step_compiled_by_xla_is_the_same(rule, trials):
    plain, compiled = (small_network(rule, **GREEDY[rule]) for _ in range(2))
    compiled.compile(keras.optimizers.SGD(LEARNING_RATE), jit_compile=True)
    for model in (plain, compiled):
        model.train_on_batch(*trials)
    for a, b in zip(plain.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_float16_scales_the_loss(rule, trials):
    """Under mixed precision the update is that of float32, up to float16's rounding."""
    images, labels = trials
    exact = small_network(rule, **GREEDY[rule])
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = small_network(rule, **GREEDY[rule])
    finally:
        keras.config.set_dtype_policy("float32")
    before = exact.get_weights()
    for model in (exact, mixed):
        model.train_on_batch(images, labels)
    for old, a, b in zip(before, exact.get_weights(), mixed.get_weights(), strict=True):
        np.testing.assert_allclose(b - old, a - old, atol=1e-4)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_penalties_in_16_bits_count_in_32(rule, trials):
    """Those of activities are computed in the precision of the layer."""
    images, labels = trials
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(7, "relu", activity_regularizer="l2", dtype="mixed_bfloat16")
    other = keras.layers.Dense(6, "relu", kernel_regularizer="l2")
    model = rule(inputs, keras.layers.Dense(CLASSES)(other(hidden(inputs))))
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    model.train_on_batch(images, labels)
    model(images)
    penalty = model.penalty()
    assert penalty.dtype == tf.float32
    np.testing.assert_allclose(penalty, sum(float(loss) for loss in model.losses), rtol=1e-6)


def test_a_copy_from_the_config_explores_alike():
    network = small_network(EBP)
    model = BrainProp(network.input, network.output, exploration_rate=0.5, seed=7)
    copy = BrainProp.from_config(model.get_config())
    assert copy.exploration_rate == 0.5
    np.testing.assert_array_equal(copy.seed_generator.state, model.seed_generator.state)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_labels_of_another_shape_are_refused(rule, trials):
    images, labels = trials
    one_hot = np.eye(CLASSES + 1, dtype="float32")[labels]  # A column too many.
    with pytest.raises(ValueError, match=r"\(batch, 4\), not \(8, 5\)"):
        small_network(rule).train_on_batch(images, one_hot)
    with pytest.raises(ValueError, match="labels must have the shape"):
        small_network(rule).compute_loss(y=one_hot[..., None], y_pred=np.zeros((8, CLASSES)))


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize("wrong", [-1, CLASSES])
def test_labels_that_are_no_classes_are_refused(wrong, rule, trials):
    images, labels = trials
    labels[3] = wrong
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be 0 to 3, not"):
        small_network(rule).train_on_batch(images, labels)


def test_soft_labels_are_probabilities_for_ebp_and_their_largest_counts_for_brainprop(trials):
    images, labels = trials
    soft = (0.8 * np.eye(CLASSES)[labels] + 0.05).astype("float32")
    model = small_network(EBP)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True)(soft, model(images))
    assert model.evaluate(images, soft, verbose=0) == pytest.approx(float(expected), rel=1e-5)
    weights = []
    for given in (labels, soft):
        model = small_network(BrainProp, exploration_rate=0)
        model.train_on_batch(images, given)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_layers_own_losses_are_summed(rule, trials):
    class Costly(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_sum(inputs**2, axis=-1))
            return inputs

    images, labels = trials
    inputs = keras.Input((5,))
    outputs = keras.layers.Dense(CLASSES, kernel_initializer="zeros")(Costly()(inputs))
    model = rule(inputs, outputs, **GREEDY[rule])
    model.compile(keras.optimizers.SGD(0.1))
    costs = np.sum(images**2)
    without = {BrainProp: np.mean(labels == 0) / 2, EBP: np.log(CLASSES)}[rule]
    loss = model.train_on_batch(images, labels)
    assert loss == pytest.approx(costs + without, rel=1e-5)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_network_by_a_call_of_its_own_is_refused(rule):
    class Network(rule):
        def call(self, inputs):
            return inputs

    with pytest.raises(TypeError, match=r"make it as Network\(inputs, outputs\)"):
        Network()


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_misspelt_arguments_are_refused(rule):
    inputs = keras.Input((5,))
    with pytest.raises(TypeError, match=f"{rule.__name__} takes no epsilon"):
        rule(inputs, keras.layers.Dense(CLASSES)(inputs), epsilon=0.5)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_sequential_network_is_taken_as_the_docstring_says(rule, trials):
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(CLASSES)])
    with pytest.raises(TypeError, match=r"\(inputs, outputs\)"):
        rule(network)
    model = rule(network.inputs, network.outputs[0])
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    before = network.get_weights()[0]
    model.train_on_batch(*trials)
    assert np.any(network.get_weights()[0] != before)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_frozen_network_trains_nothing(trials, rule):
    model = small_network(rule, l2=0.01, **GREEDY[rule])
    model.trainable = False
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    before, loss = model.get_weights(), model.test_on_batch(*trials)
    assert model.train_on_batch(*trials) == pytest.approx(loss)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_the_step_is_traced_anew_only_for_another_exploration_rate(trials):
    model = small_network(BrainProp, exploration_rate=0.5)
    model.train_on_batch(*trials)
    step = model.train_function
    model.exploration_rate = 0.5
    assert model.train_function is step
    model.exploration_rate = 0.25
    assert model.train_function is not step


def in_another_process(script, *arguments):
    return run("-c", script, *arguments)


def test_a_saved_model_comes_back_in_another_process(tmp_path):
    small_network(BrainProp).save(tmp_path / "model.keras")
    script = (
        "import sys, keras; from brainprop import BrainProp\n"
        "print(type(keras.models.load_model(sys.argv[1])) is BrainProp)"
    )
    result = in_another_process(script, tmp_path / "model.keras")
    assert result.stdout == "True\n", result.stderr


def test_another_backend_is_refused():
    script = (
        "import keras; keras.backend.backend = lambda: 'jax'\n"  # It need not be installed.
        "from brainprop import EBP"
    )
    error = in_another_process(script).stderr
    assert "Keras runs on jax, and the rules on TensorFlow" in error.splitlines()[-1]
