"""The check that a network's outputs are linear, as both learning rules need them."""

import keras

# Activations and layers of Keras and TensorFlow that bound or bend what goes through them.
NONLINEAR = {
    "softmax", "logsoftmax", "sparsemax", "sigmoid", "hardsigmoid", "logsigmoid", "tanh",
    "hardtanh", "tanhshrink", "relu", "relu6", "leakyrelu", "prelu", "elu", "selu", "celu",
    "gelu", "glu", "silu", "swish", "hardsilu", "hardswish", "mish", "softplus", "softsign",
    "sparseplus", "squareplus", "sparsesigmoid", "exponential", "exp", "threshold", "softshrink",
    "hardshrink", "sin", "cos",
}  # fmt: skip
_SOFTMAX = "softmax"


def check_outputs(outputs, harmless: frozenset[str] = frozenset()) -> None:
    """Checks that the outputs are linear: on others the rules would silently learn something else.

    The search goes back from the outputs through everything that has no weights, such as a cast, a
    reshape or dropout, and into nested models. Pooling ends it, except for a softmax.

    Args:
        outputs: The network's outputs, symbolic.
        harmless: Activations that are taken nevertheless.

    Raises:
        ValueError: If they are several tensors, of another shape than `(batch, classes)` with two
            classes or more, or not linear.
    """
    one = isinstance(outputs, keras.KerasTensor)
    if not one or len(outputs.shape) != 2 or outputs.shape[1] in (None, 1):
        raise ValueError(
            "outputs must be one tensor, of shape (batch, classes), two classes or more"
        )
    tensor, pooled = outputs, False
    while tensor is not None:
        operation, node, index = tensor._keras_history
        within = getattr(operation, "outputs", None)
        if isinstance(within, list) and all(isinstance(t, keras.KerasTensor) for t in within):
            tensor = within[index]  # A nested model: its output is the same tensor.
            continue
        kind = _activation_of(operation)
        if kind in NONLINEAR - harmless and (kind == _SOFTMAX or not pooled):
            raise ValueError(
                f"outputs must be linear: take the {kind} from layer {operation.name!r}"
            )
        pooled = pooled or "pool" in type(operation).__name__.lower()
        inputs = operation._inbound_nodes[node].input_tensors
        passes_on = not getattr(operation, "weights", None) and len(inputs) == 1
        tensor = inputs[0] if passes_on else None


def _activation_of(operation) -> str:
    """Returns the name of a layer's activation, or of an operation: "leakyrelu", "softmax"."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        name = type(operation).__name__
    else:
        name = getattr(activation, "__name__", type(activation).__name__)
    name = name.lower().replace("_", "")
    return name.removesuffix("v2")
