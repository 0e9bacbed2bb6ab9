"""Whole models that earlier versions saved."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from programs import run

TESTS = Path(__file__).parent

# A process of its own has imported nothing else that could register the class with Keras.
SCRIPT = """
import json, sys
import numpy as np
from brainprop import BrainProp
import keras
model = keras.models.load_model(sys.argv[1])
assert type(model) is BrainProp
images = np.linspace(0, 1, 72, dtype="float32").reshape(2, 6, 6, 1)
print(json.dumps([model.exploration_rate, model.predict(images, verbose=0).tolist()]))
"""


@pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15), reason="Keras 3.15 wrote the file"
)
def test_a_model_saved_before_the_modules_moved_loads():
    result = run("-c", SCRIPT, TESTS / "data" / "saved_by_89d5c4c.keras")
    assert result.returncode == 0, result.stderr
    exploration_rate, predictions = json.loads(result.stdout)
    assert exploration_rate == pytest.approx(0.1)
    expected = [
        [-0.027157599106431007, -0.004012078978121281, 0.042420122772455215],
        [-0.05520642176270485, 0.03782220184803009, 0.1135643795132637],
    ]
    np.testing.assert_allclose(predictions, expected, atol=1e-6)
