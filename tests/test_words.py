"""Words of image classification stand where tasks are defined; elsewhere only for the reasons below."""

import re
from collections import Counter
from pathlib import Path

import nascence

ROOT = Path(nascence.__file__).parent
WORDS = re.compile(r"labels|logits|cross_entropy|accuracy", re.IGNORECASE)
HOME = ("tasks/", "reporting/classes.py", "reporting/attacked.py")
"""Tasks, and the report's pages about classes and about attacks, which are of classifiers."""
OPTIONS = (
    "relaxations/",
    "objectives/",
    "methods/explicit_topology.py",
    "methods/gradient.py",
    "methods/nasi.py",
    "methods/trilevel_sr.py",
    "strategies/svgd.py",
    "strategies/ensembles.py",
    "strategies/kernel_ascent.py",
    "strategies/kernel_trace.py",
    "strategies/descent/architecture_gradient.py",
    "strategies/descent/policy.py",
    "api/sampling.py",
)
"""There ``logits`` are parameters of a distribution over the options of an architecture or a policy, on any task."""
MARKS = ("spaces/own/",)
"""There ``labels`` are marks of the channels of a traced module, which say what hangs together."""

REASONS = {
    "api/attacking.py": (1, "says what attacks.json holds, which earlier versions wrote too"),
    "api/examples.py": (1, "the report's pictures: a training image of each of some classes"),
    "api/tables.py": (1, "published tables of image networks have such columns"),
    "attacks/robustness.py": (1, "the name in attacks.json"),
    "benchmarks/nats_bench.py": (1, "what the published table holds"),
    "benchmarks/tables.py": (3, "what the published tables hold"),
    "cli/attack.py": (2, "attacks are of classifiers; the name in attacks.json"),
    "cli/train.py": (2, "where classes are weighted, the mean of theirs is told"),
    "exporting/onnx.py": (1, "the output's name in files that are in use"),
    "methods/e2rnas.py": (1, "the paper's title"),
    "methods/candidate_errors.py": (3, "steering by a published table of image networks"),
    "methods/evolution.py": (1, "steering by a published table of image networks"),
    "methods/nasi.py": (6, "whether labels are the true ones is the paper's question and a setting's name"),
    "runs/directory.py": (1, "all that runs of version 1 knew"),
    "runs/schemas.py": (2, "names in metrics.json and attacks.json, which earlier versions wrote"),
    "strategies/descent/collapse.py": (1, "a name in checkpoints of version 1"),
}


def lines():
    """(file, line) with such a word, apart from the places above."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(HOME):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            words = {word.lower() for word in WORDS.findall(line)}
            words -= {"logits"} if name.startswith(OPTIONS) else {"labels"} if name.startswith(MARKS) else set()
            if words:
                found.append((name, line.strip()))
    return found


def test_few_lines_speak_of_classification_and_each_has_a_reason():
    counts = Counter(name for name, _ in lines())
    assert counts == {name: count for name, (count, _) in REASONS.items()}, "see the reasons in this file"
    assert counts.total() < 30
