"""The check that a network's outputs are linear, as both learning rules need them."""

import keras

# Activations and layers of Keras and TensorFlow that bound or bend what goes through them.
NONLINEAR = {
    "softmax", "logsoftmax", "sparsemax", "sigmoid", "hardsigmoid", "logsigmoid", "tanh",
    "hardtanh", "tanhshrink", "relu", "relu6", "leakyrelu", "prelu", "elu", "selu", "celu",
    "gelu", "glu", "silu", "swish", "hardsilu", "hardswish", "mish", "softplus", "softsign",
    "sparseplus", "squareplus", "sparsesigmoid", "exponential", "exp", "threshold", "softshrink",
    "hardshrink", "sin", "cos", "clip",
}  # fmt: skip
_SOFTMAX = "softmax"
# Operations on several tensors. The result counts as nonlinear only if all parts are.
_MERGES = {
    "add", "average", "concatenate", "divide", "maximum", "minimum", "multiply", "stack",
    "truedivide",
}  # fmt: skip
_PRODUCTS = {"dot", "einsum", "matmul", "tensordot"}  # Each output is a sum of products.
# The attributes in which wrappers and recurrent layers keep the layer that they call, or several
# layers, the last of which makes the output.
_WRAPPED = ("layer", "forward_layer", "cell", "cells", "layers")


def check_outputs(outputs, harmless: frozenset[str]) -> None:
    """Checks that the outputs are linear: on others the rules would silently learn something else.

    The search goes back from the outputs through everything that has no weights, such as a cast, a
    reshape or dropout, and into nested models and wrapped layers. A sum, product or concatenation
    is linear if one of its parts is. Pooling ends the search, except for a softmax.

    Args:
        outputs: The network's outputs, symbolic.
        harmless: Activations of `NONLINEAR` that are accepted.

    Raises:
        ValueError: If the outputs are not one tensor of shape `(batch, classes)`, with two classes
            or more, or not linear.
    """
    one = isinstance(outputs, keras.KerasTensor)
    if not one or len(outputs.shape) != 2 or outputs.shape[1] in (None, 1):
        raise ValueError(
            "outputs must be one tensor, of shape (batch, classes), two classes or more"
        )
    found = _activation_behind(outputs, NONLINEAR - harmless)
    if found:
        raise ValueError(f"outputs must be linear: take the {found[0]} from layer {found[1]!r}")


def _activation_behind(tensor, nonlinear: set[str], pooled=False) -> tuple[str, str] | None:
    """Returns the activation that a tensor went through and its layer's name, or `None`."""
    operation, node, index = tensor._keras_history
    kinds, inner = _kinds_of(operation)
    for kind in kinds & nonlinear:
        if kind == _SOFTMAX or not pooled:
            return kind, operation.name
    within = getattr(inner, "outputs", None)  # A nested model: its output is the same tensor.
    if isinstance(within, list) and all(isinstance(t, keras.KerasTensor) for t in within):
        found = _activation_behind(within[index], nonlinear, pooled)
        if found:
            return found
    inputs = operation._inbound_nodes[node].input_tensors
    several = len(inputs) > 1 and not kinds & _MERGES
    if getattr(operation, "weights", None) or several or kinds & _PRODUCTS:
        return None
    pooled = pooled or "mean" in kinds or any("pool" in kind for kind in kinds)
    parts = [_activation_behind(tensor, nonlinear, pooled) for tensor in inputs]
    return parts[0] if parts and all(parts) else None


def _kinds_of(operation) -> tuple[set[str], object]:
    """Returns the names of what a layer or an operation applies last, and the layer that it wraps.

    They are names such as "leakyrelu" and "softmax"; for a `Lambda`, all names in its function.
    """
    parts = (getattr(operation, name, None) for name in _WRAPPED)
    wrapped = next((part for part in parts if part), None)
    activation = getattr(operation, "activation", None) or getattr(operation, "function", None)
    if wrapped and not activation and not isinstance(operation, keras.Model):
        return _kinds_of(wrapped[-1] if isinstance(wrapped, list | tuple) else wrapped)
    code = getattr(activation, "__code__", None) if activation else None
    names = {getattr(activation, "__name__", type(activation).__name__)} if activation else set()
    if isinstance(operation, keras.layers.Lambda) and code:
        names |= set(code.co_names)
    names = names or {type(operation).__name__}
    names = {name.lower().replace("_", "").removesuffix("v2") for name in names}
    return names, operation
