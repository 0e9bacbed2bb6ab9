"""The rule written out locally: it equals what TensorFlow differentiates, and feedback aligns."""

import ast
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from brainprop import BrainProp, BrainPropError, LocalNetwork
from brainprop.rules.local_rule import angle

PROJECT = Path(__file__).parents[1]
UNITS = (6, 9, 8, 7, 4)  # Three hidden layers, so that attention passes through two of them.
LEARNING_RATE = 0.1


def local_network(units=UNITS, **settings):
    settings = {"kernel_stddev": 0.5, "exploration_rate": 0, "seed": 2, **settings}
    return LocalNetwork(units, LEARNING_RATE, **settings)


def keras_network(local):
    """The network of the same feedforward weights, to be trained by automatic differentiation."""
    inputs = activity = keras.Input((local.feedforward[0].shape[0],))
    l2 = keras.regularizers.L2(local.weight_decay / 2)
    for layer, weights in enumerate(local.feedforward, 1):
        activation = "relu" if layer < len(local.feedforward) else None
        activity = keras.layers.Dense(
            weights.shape[1], activation, use_bias=False, kernel_regularizer=l2
        )(activity)
    model = BrainProp(inputs, activity, exploration_rate=0)
    model.set_weights(local.feedforward)
    model.compile(keras.optimizers.SGD(local.learning_rate))
    return model


def random_trials(number, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((number, UNITS[0]), "float32"), rng.integers(UNITS[-1], size=number)


def learn(network, trials):
    return [network.trial(stimulus, label) for stimulus, label in zip(*trials, strict=True)]


@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_trials_equal_the_train_step_that_differentiates(weight_decay):
    local = local_network(weight_decay=weight_decay)
    model = keras_network(local)
    start = model.get_weights()
    for stimulus, label in zip(*random_trials(40), strict=True):
        local.trial(stimulus, label)
        model.train_on_batch(stimulus[None], np.array([label]))
        for ours, theirs in zip(local.feedforward, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for ours, before in zip(local.feedforward, start, strict=True):
        assert np.abs(ours - before).max() > 0.05


@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_transposed_feedback_weights_stay_transposes(weight_decay):
    network = local_network(weight_decay=weight_decay, exploration_rate=0.02)
    learn(network, random_trials(500))
    for feedforward, feedback in zip(network.feedforward[1:], network.feedback, strict=True):
        np.testing.assert_array_equal(feedback, feedforward.T)


@pytest.fixture(scope="module")
def learned():
    """Networks whose feedback starts at random, before and after learning a teacher's classes.

    By weight decay: the angles before and after, how much of the difference between feedback and
    feedforward weights is left, and the mean reward of the last 1000 trials.
    """
    units, trials = (20, 30, 20, 4), 6000
    rng = np.random.default_rng(0)
    stimuli = rng.standard_normal((trials, units[0])).astype("float32")
    labels = (stimuli @ rng.standard_normal((units[0], units[-1]))).argmax(axis=-1)

    def apart(network):
        pairs = zip(network.feedforward[1:], network.feedback, strict=True)
        return np.array([np.linalg.norm(forward.T - back) for forward, back in pairs])

    results = {}
    for weight_decay in (0.0, 0.01):
        network = LocalNetwork(
            units, 0.02, 0.2, weight_decay=weight_decay, random_feedback=True, seed=0
        )
        before, apart_before = network.angles(), apart(network)
        rewards = learn(network, (stimuli, labels))
        left = apart(network) / apart_before
        results[weight_decay] = before, network.angles(), left, np.mean(rewards[-1000:])
    return results


def test_random_feedback_aligns_under_weight_decay(learned):
    before, after, left, reward = learned[0.01]
    assert all(70 < angle < 110 for angle in before)
    assert all(angle < start - 20 for start, angle in zip(before, after, strict=True))
    assert reward > 0.6  # Chance is 0.25: it learns meanwhile.
    # Whatever was learned, each trial leaves the same part of the difference.
    np.testing.assert_allclose(left, (1 - 0.02 * 0.01) ** 6000, rtol=1e-3)


def test_random_feedback_aligns_less_without_weight_decay(learned):
    """The weights still share what they learn, but never forget the difference at the start."""
    before, after, left, _ = learned[0.0]
    assert all(angle < start - 5 for start, angle in zip(before, after, strict=True))
    assert all(angle > aligned + 8 for angle, aligned in zip(after, learned[0.01][1], strict=True))
    np.testing.assert_allclose(left, 1, rtol=1e-3)


def test_only_the_selected_output_unit_and_its_feedback_move():
    network = local_network(random_feedback=True)
    (stimulus,), _ = random_trials(1)
    selected = int(np.argmax(network.activities(stimulus)[-1]))
    others = np.arange(UNITS[-1]) != selected
    to_outputs, from_outputs = network.feedforward[-1].copy(), network.feedback[-1].copy()
    network.trial(stimulus, selected)
    np.testing.assert_array_equal(network.feedforward[-1][:, others], to_outputs[:, others])
    np.testing.assert_array_equal(network.feedback[-1][others], from_outputs[others])
    assert np.abs(network.feedforward[-1][:, selected] - to_outputs[:, selected]).max() > 1e-4
    assert np.abs(network.feedback[-1][selected] - from_outputs[selected]).max() > 1e-4


def test_synapses_move_only_between_active_units():
    """Not at a silent presynaptic unit, and not where the gate of a silent unit is closed."""
    network = local_network(random_feedback=True)
    (stimulus,), _ = random_trials(1)
    activities = network.activities(stimulus)
    before = [weights.copy() for weights in network.feedforward + network.feedback]
    network.trial(stimulus, label=0)
    silent = [activity == 0 for activity in activities[1:-1]]
    assert all(0 < np.mean(units) < 1 for units in silent)
    changes = [a - b for a, b in zip(network.feedforward + network.feedback, before, strict=True)]
    feedforward, feedback = changes[: len(network.feedforward)], changes[len(network.feedforward) :]
    for layer, units in enumerate(silent):
        assert not feedforward[layer][:, units].any()
        assert not feedforward[layer + 1][units].any()
        assert not feedback[layer][:, units].any()
        assert feedforward[layer][:, ~units].any() and feedback[layer][:, ~units].any()


def test_nothing_moves_when_the_reward_is_as_predicted():
    network = local_network((2, 2, 2))
    network.feedforward = [np.eye(2, dtype="float32"), np.eye(2, dtype="float32")]
    network.feedback = [np.full((2, 2), 0.5, "float32")]
    assert network.trial(np.array([1.0, 0.0], "float32"), label=0) == 1  # and q_s = 1
    for weights in network.feedforward:
        np.testing.assert_array_equal(weights, np.eye(2))
    np.testing.assert_array_equal(network.feedback[0], 0.5)


def test_exploration_is_max_boltzmann():
    epsilon, draws = 0.3, 20_000
    q_values = np.array([0.2, 1.0, -0.5, 0.6], "float32")
    network = local_network(exploration_rate=epsilon, seed=5)
    observed = np.bincount([network.select_class(q_values) for _ in range(draws)], minlength=4)
    boltzmann = np.exp(q_values) / np.exp(q_values).sum()
    expected = draws * (epsilon * boltzmann + (1 - epsilon) * (q_values == q_values.max()))
    chi_square = np.sum((observed - expected) ** 2 / expected)
    assert chi_square < 16.27  # the 0.1 % point with 3 degrees of freedom


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exploration_rate", 5),
        ("exploration_rate", -0.1),
        ("exploration_rate", "0.1"),
        ("weight_decay", -1),
        ("weight_decay", np.nan),
        ("learning_rate", -0.1),
        ("learning_rate", None),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    network = local_network()
    before = getattr(network, name)
    for call in (
        lambda: LocalNetwork(UNITS, **({"learning_rate": 0.1, "kernel_stddev": 1} | {name: value})),
        lambda: setattr(network, name, value),
    ):
        with pytest.raises(BrainPropError, match=f"^{name} must be a number"):
            call()
    assert getattr(network, name) == before
    setattr(network, name, np.float32(0.5))
    assert getattr(network, name) == 0.5


@pytest.mark.parametrize("label", [-1, UNITS[-1], 1.5, np.nan, "1", None, "two\nlines"])
def test_a_label_that_is_no_class_is_refused_before_anything_is_learned(label):
    network = local_network()
    (stimulus,), _ = random_trials(1)
    before = [weights.copy() for weights in network.feedforward]
    with pytest.raises(BrainPropError, match="^the label must be 0 to 3, not .*$") as caught:
        network.trial(stimulus, label)
    assert "\n" not in str(caught.value)
    for weights, start in zip(network.feedforward, before, strict=True):
        np.testing.assert_array_equal(weights, start)
    for right in (1, 1.0, np.uint8(1), np.float32(1), np.array(1)):
        assert network.trial(stimulus, right) in (0, 1)


def test_angle_is_that_between_vectors():
    assert angle(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])) == pytest.approx(90)
    assert angle(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]])) == pytest.approx(45)
    assert angle(np.array([[1.0, 1.0]]), np.array([[-1.0, -1.0]])) == pytest.approx(180)


def test_the_seed_decides_weights_and_exploration():
    runs = []
    for seed in (1, 1, 2):
        network = local_network(random_feedback=True, exploration_rate=0.5, seed=seed)
        learn(network, random_trials(50))
        runs.append(np.concatenate([w.ravel() for w in network.feedforward + network.feedback]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.any(runs[0] != runs[2])


def test_every_name_in_the_table_of_the_rule_exists():
    """`docs/the-rule.md` cites by name; a function renamed here or there would break the table."""
    table = [
        line.strip("|").split("|")
        for line in (PROJECT / "docs/the-rule.md").read_text().splitlines()
        if line.startswith("|")
    ]
    assert len(table) > 10
    sources = {
        "`brainprop.py`": [
            f"brainprop/rules/{name}.py" for name in ("base", "labels", "brainprop")
        ],
        "`local_rule.py`": ["brainprop/rules/local_rule.py"],
        "test": ["tests/test_rules.py", "tests/test_local_rule.py"],
    }
    header, _, *rows = ([cell.strip() for cell in row] for row in table)
    for column, paths in sources.items():
        functions = names_by_function(*paths)
        for cell in (row[header.index(column)] for row in rows):
            if not cell.startswith("none: "):
                function, *names = re.findall("`(.+?)`", cell)
                assert set(names) <= functions[function], cell


def names_by_function(*paths):
    """All names that occur in each function's code, by the function's name."""
    functions = {}
    for path in paths:
        for function in ast.walk(ast.parse((PROJECT / path).read_text())):
            if isinstance(function, ast.FunctionDef):
                functions.setdefault(function.name, set()).update(
                    getattr(node, "id", None) or getattr(node, "attr", None) or node.arg
                    for node in ast.walk(function)
                    if isinstance(node, ast.Name | ast.Attribute | ast.arg)
                )
    return functions
