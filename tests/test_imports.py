"""Who may import whom: the house's rooms, from the cellar to the roof."""

import ast
import re
import statistics
from pathlib import Path

import pytest

import nascence

ROOT = Path(nascence.__file__).parent
FLOORS = (  # a room imports rooms of its own floor and below
    {
        "architecture",
        "cache",
        "declaring",
        "errors",
        "importing",
        "initialisation",
        "libraries",
        "reading",
        "registry",
        "schedules",
        "seeding",
        "streams",
    },
    {"schema", "spawned", "trusting", "version", "watching", "writing"},
    {"configuration", "engine"},
    {"operations"},
    {"tasks"},
    {"supernets"},
    {"spaces"},
    {"costs", "scores", "relaxations", "objectives", "training", "attacks"},
    {"strategies", "tuning"},
    {"runs"},
    {"benchmarks", "exporting", "reporting"},
    {"methods"},
    {"api"},
    {"cli", "testing"},
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imports(path):
    """The modules of the house that a file imports, but for what only a type checker sees."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            unseen |= {id(inner) for part in node.body for inner in ast.walk(part)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nascence":
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "nascence"}
    return found


GRAPH = {name: imports(path) & set(MODULES) for name, path in MODULES.items()}


def room(name):
    return name.split(".")[1] if "." in name else ""


def circles(graph):
    """Strongly connected components of more than one (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in graph:
        if name not in index:
            visit(name)
    return found


def test_there_are_no_circles_between_rooms():
    rooms = {room(name): set() for name in GRAPH if room(name)}
    for name, targets in GRAPH.items():
        if room(name):
            rooms[room(name)] |= {room(target) for target in targets if room(target) not in ("", room(name))}
    assert circles(rooms) == []


def test_there_are_no_circles_between_modules():
    below = {name: targets - {"nascence"} for name, targets in GRAPH.items()}
    assert circles(below) == []


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if room(name) and room(name) != "__main__"))
def test_a_module_imports_from_its_own_floor_and_below(name):
    assert room(name) in LEVEL, f"{room(name)} has no floor yet"
    above = [target for target in GRAPH[name] if room(target) and LEVEL[room(target)] > LEVEL[room(name)]]
    assert not above, f"{name} imports {above}"


def test_the_page_about_the_house_has_the_rooms_as_they_are():
    page = (Path(__file__).parents[1] / "docs" / "house.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", page, re.MULTILINE)
    assert [int(floor) for floor, _ in rows] == list(range(len(FLOORS)))
    assert [set(re.findall(r"`(\w+)`", rooms)) for _, rooms in rows] == list(FLOORS)


def test_every_room_has_a_floor():
    there = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__", "__main__"} == set(LEVEL)


def test_an_architecture_is_a_pure_value():
    assert GRAPH["nascence.architecture"] == {"nascence.errors", "nascence.reading"}
    assert GRAPH["nascence.reading"] == {"nascence.errors"}


def test_runs_know_no_method_and_spaces_no_task():
    assert not any(room(target) in ("methods", "strategies") for n in GRAPH if room(n) == "runs" for target in GRAPH[n])
    tasks = {target for n in GRAPH if room(n) == "spaces" for target in GRAPH[n] if room(target) == "tasks"}
    assert tasks <= {"nascence.tasks.base"}


def space_classes():
    """The names of ``Space`` and of all classes derived from it."""
    bases = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and room(name) in ("spaces", "testing"):
                bases[node.name] = {getattr(base, "id", "") for base in node.bases}
    known = {"Space"}
    while new := {name for name, above in bases.items() if above & known} - known:
        known |= new
    return known


SPACE_CLASSES = space_classes()


@pytest.mark.parametrize("name", sorted(n for n in MODULES if room(n) not in ("", "spaces", "testing")))
def test_a_space_is_asked_what_it_offers_and_never_what_it_is(name):
    """``isinstance`` and ``issubclass`` of a class of spaces, and ``match`` on one, stand in ``spaces`` alone."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    kinds = [node.cls for node in ast.walk(tree) if isinstance(node, ast.MatchClass)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
            kinds.append(node.args[1])
    named = {getattr(part, "id", getattr(part, "attr", "")) for kind in kinds for part in ast.walk(kind)}
    assert not named & SPACE_CLASSES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_file_is_longer_than_500_lines(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 500


def test_half_of_the_files_are_shorter_than_130_lines():
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES.values()) < 130
