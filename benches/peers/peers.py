#!/usr/bin/env python3
"""The network on the CPU by other inference engines, and by l3net, by turns.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/peers.py target/release/l3net [--model FILE] [--rounds N]

All are in f32, and OpenVINO also in bf16. All have the same weights, batch norm folded into them, and the same input, the first pairs
of `l3net bench throughput`. ONNX Runtime and OpenVINO run an ONNX file at its fixed batch,
ncnn its own format, picture by picture: it has no batches. A round measures each for some
seconds. The table has the medians of all rounds, and the ratio to l3net of each round in
the middle. l3net's time includes bytes to floats and both heatmaps, the others' does not.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import ncnn
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

from weights import folded, read_model

BLOCKS = [(b, u) for b in (1, 2, 3, 4) for u in (1, 2)]
POOLED = [(1, 2), (2, 2), (3, 2)]
INPUTS = {"vision": (3, 224, 224), "audio": (1, 257, 199)}


def inputs(batch):
    """The pairs of `l3net bench throughput`."""
    picture = np.stack([(np.arange(224 * 224 * 3) * 7 + i) % 251 for i in range(batch)])
    picture = (picture.reshape(batch, 224, 224, 3).transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)
    sound = np.stack([(np.arange(257 * 199) * 31 + i) % 997 / 500 - 1.5 for i in range(batch)])
    sound = sound.reshape(batch, 1, 257, 199).astype(np.float32)
    return np.ascontiguousarray(picture), sound


def to_onnx(weights, stride, batch, file):
    nodes, values = [], []

    def value(name, array):
        values.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for modality in INPUTS:
        x = modality
        for block, unit in BLOCKS:
            name = f"{block}_{unit}"
            kernels, bias = folded(weights, modality, name)
            to = f"{modality}{name}"
            s = stride if name == "1_1" else 1
            parameters = [value(f"{to}.w", kernels), value(f"{to}.b", bias)]
            conv = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [s, s]}
            nodes.append(helper.make_node("Conv", [x, *parameters], [f"{to}.conv"], **conv))
            nodes.append(helper.make_node("Relu", [f"{to}.conv"], [to]))
            x = to
            if (block, unit) in POOLED:
                pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
                nodes.append(helper.make_node("MaxPool", [x], [f"{to}.pool"], **pool))
                x = f"{to}.pool"
        nodes.append(helper.make_node("GlobalMaxPool", [x], [f"{modality}.max"]))
        nodes.append(helper.make_node("Flatten", [f"{modality}.max"], [f"{modality}.flat"]))
    nodes.append(helper.make_node("Concat", ["vision.flat", "audio.flat"], ["both"], axis=1))
    x = "both"
    for layer in ("fc1", "fc2"):
        w, b = (weights[f"fusion.{layer}.{part}"].astype(np.float32) for part in ("weight", "bias"))
        parameters = [value(f"{layer}.w", w), value(f"{layer}.b", b)]
        to = "logits" if layer == "fc2" else layer
        nodes.append(helper.make_node("Gemm", [x, *parameters], [to], transB=1))
        x = to
        if layer == "fc1":
            nodes.append(helper.make_node("Relu", [x], ["hidden"]))
            x = "hidden"
    shape = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(
        nodes,
        "l3net",
        [shape(name, [batch, *dims]) for name, dims in INPUTS.items()],
        [shape("logits", [batch, 2])],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def to_ncnn(weights, stride, folder):
    lines, data = [], []

    def layer(kind, name, sources, to, parameters=""):
        counts = f"{len(sources)} 1"
        lines.append(" ".join([kind, name, counts, *sources, to, parameters]).strip())

    def values(array, flagged):
        data.append((b"\0\0\0\0" if flagged else b"") + array.astype("<f4").tobytes())


    for modality in INPUTS:
        lines.append(f"Input {modality} 0 1 {modality}")
        x = modality
        for block, unit in BLOCKS:
            name = f"{block}_{unit}"
            kernels, bias = folded(weights, modality, name)
            s = stride if name == "1_1" else 1
            to = f"{modality}{name}"
            layer("Convolution", f"conv_{to}", [x], to, f"0={len(bias)} 1=3 3={s} 4=1 5=1 6={kernels.size} 9=1")
            values(kernels, True)
            values(bias, False)
            x = to
            if (block, unit) in POOLED:
                layer("Pooling", f"pool_{to}", [x], f"{to}p", "0=0 1=2 2=2 5=1")
                x = f"{to}p"
        layer("Pooling", f"max_{modality}", [x], f"{modality}max", "0=0 4=1")
    layer("Concat", "both", ["visionmax", "audiomax"], "both", "0=0")
    x = "both"
    for name, rectified in (("fc1", " 9=1"), ("fc2", "")):
        w, b = (weights[f"fusion.{name}.{part}"] for part in ("weight", "bias"))
        to = "logits" if name == "fc2" else name
        layer("InnerProduct", name, [x], to, f"0={len(b)} 1=1 2={w.size}{rectified}")
        values(w, True)
        values(b, False)
        x = to
    blobs = len(lines)
    (folder / "l3net.param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
    (folder / "l3net.bin").write_bytes(b"".join(data))


def with_onnxruntime(file, threads, pair):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = dict(zip(INPUTS, pair))
    return lambda: session.run(None, feed)[0]


def with_openvino(file, threads, pair, precision="f32"):
    core = openvino.Core()
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = core.compile_model(file, "CPU", config).create_infer_request()
    feed = dict(zip(INPUTS, pair))
    return lambda: next(iter(request.infer(feed).values()))


def with_ncnn(folder, threads, pair):
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, half, False)
    assert net.load_param(str(folder / "l3net.param")) == 0
    assert net.load_model(str(folder / "l3net.bin")) == 0
    pairs = [[ncnn.Mat(x[i]).clone() for x in pair] for i in range(len(pair[0]))]

    def run():
        logits = []
        for vision, audio in pairs:
            extractor = net.create_extractor()
            extractor.input("vision", vision)
            extractor.input("audio", audio)
            logits.append(np.array(extractor.extract("logits")[1]).reshape(-1))
        return np.stack(logits)

    return run


def seconds_of(run, budget):
    run()
    times = []
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 3:
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("program", type=pathlib.Path)
    args.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/l3net-base.safetensors"))
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--seconds", type=float, default=3.0, help="of each in a round")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16])
    args = args.parse_args()
    weights, stride = read_model(args.model)

    def l3net(batch):
        command = [args.program, "bench", "throughput", "--model", args.model, "--device", "cpu", "--json"]
        command += ["--precision", "f32", "--convolutions", "auto,libtorch"]
        command += ["--batch", str(batch), "--threads", str(args.threads), "--seconds", str(2 * args.seconds)]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        times = {case["what"]: case["ms"]["p50"] for case in report["cases"]}
        return times, np.array(report["logits"])

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        to_ncnn(weights, stride, folder)
        print("| batch | engine | ms | of l3net's time | logits off by |")
        print("|---|---|---|---|---|")
        for batch in args.batch:
            pair = inputs(batch)
            file = str(folder / f"{batch}.onnx")
            to_onnx(weights, stride, batch, file)
            peers = {
                "ONNX Runtime": with_onnxruntime(file, args.threads, pair),
                "OpenVINO": with_openvino(file, args.threads, pair),
                "OpenVINO in bf16": with_openvino(file, args.threads, pair, "bf16"),
                "ncnn": with_ncnn(folder, args.threads, pair),
            }
            times = {}
            for _ in range(args.rounds):
                own, logits = l3net(batch)
                for name, ms in own.items():
                    times.setdefault(name, []).append(ms)
                for name, run in peers.items():
                    times.setdefault(name, []).append(seconds_of(run, args.seconds))
            ours = logits[0]
            off = {name: np.abs(run()[0] - ours).max() for name, run in peers.items()}
            off.update({"libtorch": np.abs(logits[-1] - ours).max(), "l3net": 0.0})
            for name, ms in times.items():
                ratio = statistics.median(a / b for a, b in zip(ms, times["l3net"]))
                relative = off[name] / np.abs(ours).max()
                assert relative < (5e-2 if "bf16" in name else 1e-4), f"{name}: other logits, {run()[0]} and {ours}"
                print(f"| {batch} | {name} | {statistics.median(ms):.1f} | {ratio:.2f} | {relative:.1e} |", flush=True)


if __name__ == "__main__":
    main()
