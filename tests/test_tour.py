"""The notebook runs, on few images, and is stored without outputs."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

PROJECT = Path(__file__).parents[1]
TOUR = PROJECT / "examples/tour.ipynb"


def test_the_tour_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    notebook = nbformat.read(TOUR, nbformat.NO_CONVERT)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    for whole, part in (("IMAGES = 60_000", "IMAGES = 1280"), ("EPOCHS = 5", "EPOCHS = 2")):
        assert whole in code[0].source
        code[0].source = code[0].source.replace(whole, part)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    assert (tmp_path / "own_weights.h5").exists()
    assert "val_accuracy" in "".join(output.text for output in code[-2].outputs)
