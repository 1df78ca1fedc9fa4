#!/usr/bin/env python3
"""Makes the small ONNX files that the tests of this room load, and the outputs to expect of them.

Needs the packages onnx, onnxruntime and numpy. The files are the same at each run:

    python3 test_networks.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
SIDE, CHANNELS, CLASSES = 17, 2048, 1000


def weights(seed, *shape, scale=1.0):
    """Values spread evenly over [-scale, scale]."""
    values = np.random.default_rng(seed).uniform(-scale, scale, shape)
    return values.astype(np.float32)


def constant(name, array):
    return numpy_helper.from_array(array, name)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.producer_name = "dermaglyph-tests"
    onnx.checker.check_model(model)
    path = FOLDER / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def conv(inputs, output, strides=(1, 1), pads=(0, 0, 0, 0)):
    """All attributes are written out, as PyTorch's exporter does: the runtime wants `dilations`."""
    return helper.make_node("Conv", inputs, [output], strides=strides, pads=pads, dilations=[1, 1])


def outer(name, seed, rows, columns, shape, scale=1.0):
    """Nodes and constants for a wide weight made in the network itself as a product of two vectors.

    That keeps 2048 features and 1000 classes within two kilobytes.
    """
    parts = [f"{name}_rows", f"{name}_columns", f"{name}_shape"]
    constants = [
        constant(parts[0], weights(seed, rows, 1)),
        constant(parts[1], weights(seed + 1, 1, columns, scale=scale)),
        constant(parts[2], np.array(shape, np.int64)),
    ]
    nodes = [
        helper.make_node("MatMul", parts[:2], [f"{name}_product"]),
        helper.make_node("Reshape", [f"{name}_product", parts[2]], [name]),
    ]
    return nodes, constants


def network(name, batch, classes, outputs, softmax=True, kind=TensorProto.FLOAT, channels=3):
    """conv 3x3 stride 2 -> relu -> 1x1 to 2048 -> relu -> pooling -> two layers -> softmax."""
    wide = [
        outer("w2", 3, 64, 32, [CHANNELS, 1, 1, 1]),
        outer("down", 5, 32, 64, [CHANNELS, 1], scale=0.05),
        outer("up", 7, classes // 2, 2, [1, classes]),
    ]
    constants = [
        constant("w1", weights(1, 4, channels, 3, 3)),
        constant("b1", weights(2, 4, scale=0.1)),
        constant("mix", weights(9, 1, 4, 1, 1)),
        constant("seven", np.float32([7])),
    ] + [c for _, part in wide for c in part]
    nodes = [n for part, _ in wide for n in part] + [
        conv(["image", "w1", "b1"], "c1", strides=[2, 2], pads=[1, 0, 1, 0]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        conv(["r1", "mix"], "c2"),
        conv(["c2", "w2"], "c3"),
        helper.make_node("Relu", ["c3"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["features"]),
        helper.make_node("MatMul", ["features", "down"], ["thin"]),
        helper.make_node("Mul", ["up", "seven"], ["up7"]),
        helper.make_node("Sin", ["up7"], ["b2"]),
        helper.make_node("Gemm", ["thin", "up", "b2"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["classes"], axis=1))
    shapes = {"pool": [batch, CHANNELS, 1, 1], "features": [batch, CHANNELS],
              "logits": [batch, classes], "classes": [batch, classes]}
    integer = kind == TensorProto.UINT8
    if integer:
        nodes.insert(0, helper.make_node("Cast", ["bytes"], ["image"], to=TensorProto.FLOAT))
    inputs = [value("bytes" if integer else "image", [batch, channels, SIDE, SIDE], kind)]
    return save(name, nodes, inputs, [value(n, shapes[n]) for n in outputs], constants)


def picture(index, side):
    """Bytes [side, side, 3] from a formula that the test repeats: no file needed."""
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    return ((x * x * 7 + y * 13 + x * y * (c + 2) + 31 * c + 97 * index) % 256).astype(np.uint8)


def reference(path, count):
    """What onnxruntime makes of the pictures, scaled to [-1, 1]: head of the outputs and sums."""
    batch = np.stack([picture(i, SIDE) for i in range(count)])
    batch = (batch.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = {}
    for output in session.get_outputs():
        rows = session.run([output.name], {"image": batch})[0].reshape(count, -1)
        found[output.name] = [
            {"every_97th": [float(v) for v in row[::97]], "sum": float(row.astype(np.float64).sum())}
            for row in rows
        ]
    return found


def main():
    both = network("both", "N", CLASSES, ["classes", "pool"])
    logits = network("logits", "N", 1008, ["logits"], softmax=False)
    fixed = network("fixed_batch", 2, CLASSES, ["features"])
    network("small_head", "N", 10, ["classes"])
    network("bytes", "N", CLASSES, ["features"], kind=TensorProto.UINT8)
    network("two_channels", "N", CLASSES, ["features"], channels=2)
    save("no_image", [helper.make_node("Relu", ["tokens"], ["features"])],
         [value("tokens", ["N", CHANNELS])], [value("features", ["N", CHANNELS])], [])
    save("two_inputs", [helper.make_node("Add", ["a", "b"], ["features"])],
         [value("a", ["N", CHANNELS]), value("b", ["N", CHANNELS])],
         [value("features", ["N", CHANNELS])], [])
    nodes, constants = outer("w", 11, 96, 64, [3, CHANNELS])
    save("not_a_number",
         nodes + [helper.make_node("Log", ["image"], ["log"]),
                  helper.make_node("GlobalAveragePool", ["log"], ["mean"]),
                  helper.make_node("Flatten", ["mean"], ["three"]),
                  helper.make_node("MatMul", ["three", "w"], ["features"])],
         [value("image", ["N", 3, SIDE, SIDE])], [value("features", ["N", CHANNELS])], constants)
    expected = {"both": reference(both, 3), "logits": reference(logits, 3),
                "fixed_batch": reference(fixed, 2)}
    (FOLDER / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
