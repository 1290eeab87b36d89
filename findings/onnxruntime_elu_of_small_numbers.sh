#!/usr/bin/env bash
# onnxruntime: Elu, Selu and Celu of small negative numbers are 0.
#
# Guess     for x < 0 they are α(eˣ − 1), which every library computes by expm1, so near 0 they are αx.
# Seen      x            Elu by onnxruntime   right
#           -1e-3       -9.99510e-04          -9.99500e-04
#           -1e-6       -1.0133e-06           -1.0000e-06   (off by 1.3 %)
#           -1e-8        0                    -1e-8
#           Selu and Celu alike; Softplus, Tanh, Softsign and onnx's reference keep the digits.
# Version   onnxruntime 1.32.0, float32, CPU; onnx 1.23.2
# Why       eˣ is rounded to float32 before 1 is taken off.
# Matters   deep in a network with small activations the negative half is flat: an exported model is
#           less smooth than the one that was trained, and small signals of one sign are cut off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "onnx==1.23.2" "onnxruntime==1.32.0" 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("onnxruntime", onnxruntime.__version__)
x = np.array([-1e-3, -1e-6, -1e-8], np.float32)
for operator in ("Elu", "Selu", "Celu", "Softsign"):
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        operator,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    runtime = session.run(None, {"x": x})[0]
    reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
    print(operator, "onnxruntime", runtime, "reference", reference)
    off = np.abs(runtime / reference - 1)
    if operator == "Softsign":
        assert (off < 1e-6).all()
    else:
        assert off[0] < 1e-3 and 0.01 < off[1] < 0.1 and runtime[2] == 0
PYTHON
