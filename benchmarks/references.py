"""What our networks are measured against: the same ones of other layers, and in PyTorch."""

import sys
from collections.abc import Callable
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from brainprop.experiments import Experiment
from brainprop.networks import architectures
from brainprop.networks.layers import LocallyConnected2D
from brainprop.networks.models import model_for
from brainprop.paper import ARCHITECTURES
from brainprop.rules.base import LearningRule


class LoopedLocallyConnected2D(LocallyConnected2D):
    """Locally connected as Keras 2 computed it: a Python loop of slices over the positions."""

    def call(self, inputs):
        _, rows, columns, filters = self.compute_output_shape(inputs.shape)
        (height, width), (down, right) = self.kernel_size, self.strides
        fields = [
            tf.reshape(
                inputs[:, i * down : i * down + height, j * right : j * right + width],
                [1, -1, self.kernel.shape[1]],
            )
            for i in range(rows)
            for j in range(columns)
        ]
        outputs = tf.matmul(tf.concat(fields, axis=0), self.kernel)
        outputs = tf.reshape(outputs, [rows, columns, -1, filters])
        outputs = tf.transpose(outputs, [2, 0, 1, 3])
        return self.activation(outputs if self.bias is None else outputs + self.bias)


def stock_model(experiment: Experiment) -> LearningRule:
    """The experiment's model of Keras 3's own layers, and the looped one that it lacks."""
    stock = {
        "BatchNormalization": keras.layers.BatchNormalization,
        "Dropout": keras.layers.Dropout,
        "LocallyConnected2D": LoopedLocallyConnected2D,
    }
    with mock.patch.multiple(architectures, **stock):
        return model_for(experiment)


def torch_step(experiment: Experiment, images: np.ndarray, labels: np.ndarray) -> Callable:
    """BrainProp's training step of a convolutional network, in PyTorch.

    Args:
        experiment: Its architecture has convolutions, pooling, dropout and dense layers only.
        images: Shape `(batch, height, width, channels)`, float32.
        labels: Shape `(batch,)`, integers.

    Returns:
        A function that learns from the batch once.
    """
    # What PyTorch compiles with, and is not used here: loading it beside TensorFlow crashes.
    sys.modules["triton"] = None  # type: ignore[assignment]
    import torch
    from torch import nn

    torch.manual_seed(experiment.seed)
    layers: dict[str, Callable[..., list]] = {
        "conv": lambda filters, strides=1: [
            nn.LazyConv2d(filters, 3, strides, padding=1, bias=False),
            nn.ReLU(),
            nn.LazyBatchNorm2d(eps=1e-3, momentum=0.01),
        ],
        "max_pool": lambda: [nn.MaxPool2d(2)],
        "dropout": lambda rate: [nn.Dropout(rate)],
        "flatten": lambda: [nn.Flatten()],
        "dense": lambda units: [nn.LazyLinear(units, bias=False), nn.ReLU()],
    }
    rows = ARCHITECTURES[experiment.architecture].layers
    stack = [layer for name, *arguments in rows for layer in layers[name](*arguments)]
    network = nn.Sequential(*stack, nn.LazyLinear(10, bias=False))
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    y = torch.from_numpy(labels).long()
    network(x)  # Lazy layers learn their shapes from the first batch.
    network.to(memory_format=torch.channels_last)  # This is faster in PyTorch, too.
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    for kernel in kernels:
        nn.init.normal_(kernel, 0.0, experiment.kernel_stddev)
    # A gradient of l2 * sum(kernel ** 2) is 2 * l2 * kernel; PyTorch's optimizer adds it itself.
    groups = [{"params": kernels, "weight_decay": 2 * experiment.l2}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=experiment.learning_rate)

    def step():
        q_values = network(x)
        greedy = q_values.argmax(1)
        drawn = torch.multinomial(q_values.detach().softmax(1), 1)[:, 0]
        explores = torch.rand(len(x)) < experiment.exploration_rate
        selected = torch.where(explores, drawn, greedy)
        q_selected = q_values.gather(1, selected[:, None])[:, 0]
        reward = (selected == y).float()
        loss = ((reward - q_selected) ** 2).mean() / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
