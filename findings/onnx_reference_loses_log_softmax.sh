#!/usr/bin/env bash
# onnx.reference: the evaluator that stands for the standard gives −∞ for a log-softmax of −1000, and a
# normalised layer whose mean is not 0; onnxruntime, which is held against it, is the better of the two.
#
# Guess     the reference is slow and right: LogSoftmax([1000, 0, −1000]) is [0, −1000, −2000], and
#           LayerNormalization([1e8, 1e8 + 8, 1e8 + 16]) is [−1.2247, 0, 1.2247] (all three numbers are
#           exact in float32, and so is their mean).
# Seen      LogSoftmax         reference [0, −∞, −∞]        onnxruntime [0, −1000, −2000]
#           the layer          reference [0, 0.775, 1.549]  onnxruntime [−1, 0, 1]
#           Both are wrong on the layer, in different ways.
# Version   onnx 1.23.2, onnxruntime 1.32.0, float32, CPU
# Why       the reference takes the logarithm of a softmax that has underflowed, and a mean of three
#           float32 numbers summed in float32, which is off by 8. onnxruntime's mean is right and its
#           variance is 64, where 42.7 is right.
# Matters   comparing an exported model with the reference flags a right runtime; a cross-entropy of a
#           confident model is infinite there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "onnx==1.23.2" "onnxruntime==1.32.0" 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)


def both(operator, *arrays):
    inputs = {f"x{k}": np.asarray(array, np.float32) for k, array in enumerate(arrays)}
    node = helper.make_node(operator, list(inputs), ["y"])
    graph = helper.make_graph(
        [node],
        operator,
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(array.shape))
            for name, array in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    reference = ReferenceEvaluator(model).run(None, inputs)[0]
    runtime = session.run(None, inputs)[0]
    print(operator, "reference", reference.round(4), "onnxruntime", runtime.round(4))
    return reference.ravel(), runtime.ravel()


reference, runtime = both("LogSoftmax", [[1000, 0, -1000]])
assert reference.tolist() == [0, -np.inf, -np.inf]
assert runtime.tolist() == [0, -1000, -2000]
reference, runtime = both("LayerNormalization", [[1e8, 1e8 + 8, 1e8 + 16]], [1, 1, 1])
right = np.array([-1, 0, 1]) * np.sqrt(1.5)
assert reference[0] == 0 and np.abs(reference - right).min() > 0.3
assert runtime.tolist() == [-1, 0, 1]
PYTHON
