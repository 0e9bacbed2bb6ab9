"""What users make of the rules: copies, models of their own, rewards, trial metrics, replicas."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import run_on_devices

from brainprop.networks.layers import Dropout
from brainprop.rules.brainprop import BrainProp
from brainprop.rules.ebp import EBP

PROJECT = Path(__file__).parents[1]
CLASSES = 4
rng = np.random.default_rng(0)
FEATURES = rng.random((40, 5), "float32")
LABELS = rng.integers(CLASSES, size=40).astype("int32")


def brainprop(rule=BrainProp, compiled=True, **arguments):
    inputs = keras.Input((5,))
    model = rule(inputs, keras.layers.Dense(CLASSES, use_bias=False)(inputs), **arguments)
    if compiled:
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    return model


class TestCopies:
    """Keras copies models by their constructor, which knows no arguments of a rule's own."""

    arguments = {"exploration_rate": 0.5, "reward_noise": 0.1, "seed": 7}

    def check(self, copy):
        assert isinstance(copy, BrainProp)
        assert {name: getattr(copy, name) for name in self.arguments} == self.arguments
        original = brainprop(**self.arguments)
        np.testing.assert_array_equal(copy.seed_generator.state, original.seed_generator.state)

    def test_clone_model(self):
        self.check(keras.models.clone_model(brainprop(**self.arguments)))

    def test_from_config(self):
        model = brainprop(compiled=False, **self.arguments)
        self.check(BrainProp.from_config(model.get_config()))

    def test_save_and_load(self, tmp_path):
        model = brainprop(**self.arguments)
        model.save(tmp_path / "model.keras")
        self.check(keras.models.load_model(tmp_path / "model.keras"))

    def test_a_loaded_model_trains_on(self, tmp_path):
        """With the state of its optimizer. Keras keeps no state of random numbers."""
        model = brainprop(exploration_rate=0)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        model.train_on_batch(FEATURES, LABELS)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for each in (model, loaded):
            each.train_on_batch(FEATURES, LABELS)
        np.testing.assert_array_equal(model.get_weights()[0], loaded.get_weights()[0])

    @pytest.mark.parametrize("rule", [BrainProp, EBP])
    def test_arguments_of_a_rule_of_ones_own(self, rule, tmp_path):
        """Which only `get_config` knows, as in a Keras layer of one's own."""

        @keras.saving.register_keras_serializable(package="tests")
        class Own(rule):
            def __init__(self, *args, temperature=0.1, sizes=(1, 2), **kwargs):
                super().__init__(*args, **kwargs)
                self.temperature, self.sizes = temperature, sizes

            def get_config(self):
                return super().get_config() | {"temperature": self.temperature, "sizes": self.sizes}

        own = {"temperature": 0.7, "sizes": (3, 4)}
        inputs = keras.Input((5,))
        hidden = keras.layers.Dense(6)(inputs)
        outputs = keras.layers.Dense(CLASSES)(hidden)
        model = Own(inputs, outputs, feedback="random", feedback_seed=3, **own)
        model.compile(keras.optimizers.SGD(0.1))
        model.save(tmp_path / "model.keras")
        copies = (
            keras.models.clone_model(model),
            Own.from_config(model.get_config()),
            keras.models.load_model(tmp_path / "model.keras"),
        )
        for copy in copies:
            assert isinstance(copy, Own)
            assert (copy.temperature, tuple(copy.sizes)) == tuple(own.values())
            assert (copy.feedback.mode, copy.feedback.seed) == ("random", 3)

    def test_scikit_learns_wrapper(self):
        pytest.importorskip("sklearn")
        with pytest.warns(UserWarning, match="BrainProp ignores compile"):
            model = brainprop(compiled=False, **self.arguments)
            model.compile(keras.optimizers.SGD(0.1), loss="categorical_crossentropy")
            wrapper = keras.wrappers.SKLearnClassifier(model, fit_kwargs={"verbose": 0})
            wrapper.fit(FEATURES, LABELS)
        assert wrapper.model_.exploration_rate == self.arguments["exploration_rate"]
        assert wrapper.model_ is not model


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize(("by_place", "by_name"), [((), {"loss": "mse"}), (("mse",), {})])
def test_a_loss_of_compile_is_ignored_with_a_warning(rule, by_place, by_name):
    model = brainprop(rule, compiled=False)
    with pytest.warns(UserWarning, match=f"{rule.__name__} ignores compile.*the rule defines"):
        model.compile(keras.optimizers.SGD(0.1), *by_place, **by_name)
    without = brainprop(rule, compiled=False)
    without.set_weights(model.get_weights())
    without.compile(keras.optimizers.SGD(0.1))
    assert model.evaluate(FEATURES, LABELS, verbose=0) == pytest.approx(
        without.evaluate(FEATURES, LABELS, verbose=0)
    )


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_rule_is_made_from_a_model(rule):
    """And shares its weights."""
    dense = keras.layers.Dense(CLASSES)
    sequential = keras.Sequential([keras.Input((5,)), dense])
    inputs = keras.Input((5,))
    functional = keras.Model(inputs, dense(inputs))
    for source in (sequential, functional):
        model = rule.from_model(source)
        model.compile(keras.optimizers.SGD(0.1))
        before = np.asarray(model(FEATURES))
        np.testing.assert_array_equal(before, source(FEATURES))
        model.train_on_batch(FEATURES, LABELS)
        after = np.asarray(source(FEATURES))
        assert np.abs(after - before).max() > 1e-3
        np.testing.assert_array_equal(after, model(FEATURES))
    assert BrainProp.from_model(functional, exploration_rate=0.3).exploration_rate == 0.3


def test_a_model_of_two_inputs_is_taken():
    inputs = [keras.Input((5,)), keras.Input((5,))]
    source = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Add()(inputs)))
    model = BrainProp.from_model(source)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit([FEATURES, FEATURES], LABELS, verbose=0)
    expected = source([FEATURES, FEATURES])
    # Batches of another size can differ in the last bit.
    outputs = model.predict([FEATURES, FEATURES], verbose=0)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_model_that_is_not_built_is_refused(rule):
    with pytest.raises(ValueError, match=r"has no input shape: start it with keras.Input"):
        rule.from_model(keras.Sequential([keras.layers.Dense(CLASSES)]))
    with pytest.raises(TypeError, match="takes a Keras model, not str"):
        BrainProp.from_model("weights.h5")


class TwoRewards(BrainProp):
    """Classes 0 and 1 are worth twice as much."""

    def reward(self, selected, right):
        magnitude = tf.where(right < 2, 2.0, 1.0)
        return tf.where(selected == right, magnitude, 0.0)


def test_a_subclass_may_define_the_reward():
    model = brainprop(TwoRewards, exploration_rate=0)
    kernel = np.random.default_rng(1).normal(size=(5, CLASSES)).astype("float32")
    model.set_weights([kernel])
    q = FEATURES @ kernel
    selected = q.argmax(-1)
    reward = np.where(selected == LABELS, np.where(LABELS < 2, 2, 1), 0)
    delta = reward - q.max(-1)
    assert np.any(reward == 2) and np.any(reward == 0)
    attention = np.eye(CLASSES)[selected]
    update = 0.1 * FEATURES.T @ (delta[:, None] * attention) / len(LABELS)
    loss = np.mean(delta**2) / 2
    assert model.evaluate(FEATURES, LABELS, verbose=0)[0] == pytest.approx(loss, rel=1e-5)
    logs = model.train_on_batch(FEATURES, LABELS, return_dict=True)
    np.testing.assert_allclose(model.get_weights()[0] - kernel, update, atol=1e-6)
    assert logs["loss"] == pytest.approx(loss, rel=1e-5)
    assert logs["reward"] == pytest.approx(reward.mean())


def test_reward_noise_flips_rewards_at_its_rate():
    model = brainprop(reward_noise=0.2, seed=1)
    rewards = np.repeat([0.0, 1.0], 20_000).astype("float32")
    flipped = np.asarray(model.observed(rewards)) != rewards
    standard_error = np.sqrt(0.2 * 0.8 / 20_000)
    for half in (flipped[:20_000], flipped[20_000:]):
        assert abs(half.mean() - 0.2) < 4 * standard_error
    model.reward_noise = 0
    np.testing.assert_array_equal(model.observed(rewards), rewards)


def test_wrong_rewards_are_learned_from():
    """With a probability of 1, every reward is the opposite; evaluation gives the right ones."""
    model = brainprop(reward_noise=1, exploration_rate=0)
    (kernel,) = model.get_weights()
    q = FEATURES @ kernel
    selected = q.argmax(-1)
    delta = (selected != LABELS) - q.max(-1)
    update = 0.1 * FEATURES.T @ (delta[:, None] * np.eye(CLASSES)[selected]) / len(LABELS)
    right = np.mean(((selected == LABELS) - q.max(-1)) ** 2) / 2
    assert model.evaluate(FEATURES, LABELS, verbose=0)[0] == pytest.approx(right, rel=1e-5)
    model.train_on_batch(FEATURES, LABELS)
    np.testing.assert_allclose(model.get_weights()[0] - kernel, update, atol=1e-6)


def test_fit_logs_what_trials_were_like():
    model = brainprop(exploration_rate=0)
    model.optimizer.learning_rate = 0.0
    q = model.predict(FEATURES, verbose=0)
    reward = q.argmax(-1) == LABELS
    history = model.fit(
        FEATURES, LABELS, 16, 2, validation_data=(FEATURES, LABELS), verbose=0
    ).history
    expected = {
        "reward": np.mean(reward),
        "abs_reward_prediction_error": np.mean(np.abs(reward - q.max(-1))),
        "explored": 0,
    }
    for name, value in expected.items():
        assert history[name] == pytest.approx([value] * 2, rel=1e-5)
    of_validation = {name for name in history if name.startswith("val_")}
    assert of_validation == {"val_loss", "val_accuracy"}


def test_explored_counts_selections_that_are_not_greedy():
    model = brainprop(exploration_rate=1.0, seed=1)
    model.optimizer.learning_rate = 0.0
    model.set_weights([np.zeros((5, CLASSES))])  # All classes are equally likely; 0 is greedy.
    many = np.tile(FEATURES, (100, 1))
    logs = model.fit(many, np.tile(LABELS, 100), verbose=0).history
    share = 1 - 1 / CLASSES
    assert logs["explored"][0] == pytest.approx(share, abs=4 * np.sqrt(share / CLASSES / 4000))


def test_train_on_batch_lists_the_loss_and_the_compiled_metrics():
    model = brainprop()
    loss, accuracy = model.train_on_batch(FEATURES, LABELS)
    assert 0 <= accuracy <= 1 and loss > 0
    model = brainprop(compiled=False)
    model.compile(keras.optimizers.SGD(0.1))
    assert np.ndim(model.train_on_batch(FEATURES, LABELS)) == 0


REPLICAS = """
import keras
import numpy as np

from brainprop import BrainProp
from brainprop.networks.layers import Dropout

strategy = devices(2)
with strategy.scope():
    dropout = Dropout(0.5, seed=1)
    spatial = Dropout(0.5, noise_shape=(None, 1), seed=1)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(4)(inputs)
    model = BrainProp(inputs, outputs, exploration_rate=1.0, reward_noise=0.5, seed=1)


@tf.function
def draw():
    ones = tf.ones((2000, 4))
    return (
        dropout(ones, training=True)[:, 0],
        spatial(ones, training=True)[:, 0],
        tf.cast(model.select_class(0 * ones), tf.float32),
        model.observed(ones[:, 0]),
    )


steps = []
for _ in range(2):
    drawn = strategy.run(draw)
    steps += [[d.values[i].numpy() for d in drawn] for i in range(2)]
for first in range(4):
    for second in range(first):
        for a, b in zip(steps[first], steps[second]):
            correlation = np.corrcoef(a, b)[0, 1]
            assert abs(correlation) < 0.1, (first, second, correlation)
"""


def test_replicas_draw_independent_numbers():
    """Two replicas in two steps: no two of the four draws agree by more than chance."""
    run_on_devices(REPLICAS)


def test_one_device_draws_what_keras_draws():
    """So that runs of earlier versions can be repeated."""
    model = brainprop(exploration_rate=0.5, seed=3)
    seed = keras.random.SeedGenerator(3)
    q = rng.random((1000, CLASSES)).astype("float32")
    boltzmann = keras.random.categorical(q, 1, seed=seed)[:, 0]
    dice = keras.random.uniform((1000,), seed=seed)
    expected = np.where(np.asarray(dice) < 0.5, boltzmann, q.argmax(-1))
    np.testing.assert_array_equal(model.select_class(tf.constant(q)), expected)


def test_dropout_with_a_noise_shape_drops_whole_rows():
    dropped = np.asarray(
        Dropout(0.5, noise_shape=(None, 1), seed=1)(np.ones((200, 6)), training=True)
    )
    assert set(np.unique(dropped)) == {0, 2}
    assert np.all(dropped == dropped[:, :1]) and 60 < np.count_nonzero(dropped[:, 0]) < 140
