"""Owns the rules of the house that a program can check; the tables at its head are the rules."""

import ast
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from appliance.__main__ import DAEMONS, PROCESSES
from tests.support.sources import APPLIANCE, CHECKOUT, Module, lines_of, modules, parameters_of

# What a folder may import besides itself: a folder, or one module of it. All but the pure ones may import
# formats and system. Two stations never import each other, as their processes do not trust each other. The
# table of processes, in no folder, imports only what loads one of them.
PURE = {"formats": set[str](), "protocols": {"formats"}, "mailauth": {"formats"}}
ASKS_AUTHD = {"accounts/client", "accounts/async_client"}
MAY_IMPORT: dict[str, set[str]] = {
    **PURE,
    "system": {"formats"},
    "net": {"protocols/proxy"},
    "queue": set(),
    "mailbox": set(),
    "site": set(),
    "receive": {"protocols", "mailauth", "net", "queue/client", "queue/async_client"} | ASKS_AUTHD,
    "inject": {"protocols", "queue/client"},
    "send": {"protocols", "queue"},
    "local": {"protocols", "mailbox", "queue/client"},
    "remote": {"protocols", "mailauth", "net"},
    "accounts": set(),
    "pop3": {"protocols", "net", "mailbox"} | ASKS_AUTHD,
    "lists": {"queue/client"},
    "serial": {"protocols", "mailbox", "queue/client"},
    "admin": {"net", "site", "lists", "queue", "mailbox", "accounts"},
}
EVERYBODYS = {"formats", "system"}

IMPURE = {"os", "socket", "ssl", "asyncio", "time", "random", "subprocess", "pathlib", "logging", "secrets"}

# Each foreign library comes in by one door; supervisor is a program that we start, not a library.
DOORS = {
    "aiosmtpd": {"receive/smtpd"},
    "argon2": {"accounts/argon"},
    "click": {"admin"},
    "dns": {"net/nameserver"},
    "jinja2": {"site/render", "admin/page"},
    "pydantic": {"site"},
    "rich": {"admin"},
    "uvloop": {"net"},
    "yaml": {"site/load"},
}

LINES_OF_A_FILE, LINES_OF_A_FUNCTION, PARAMETERS = 400, 60, 5
EMPTY_WORDS = {"handler", "manager", "service", "helper", "helpers", "util", "utils", "core"}

MODULES = modules()


def faults(question: Callable[[Module], object]) -> dict[str, object]:
    """What is wrong with which module."""
    return {module.name: answer for module in MODULES if (answer := question(module))}


@cache
def ours(module: Module) -> frozenset[str]:
    """The modules and folders of ours that a module imports, as `queue/client` or `queue`."""
    dotted = (found.name for found in module.imports() if found.name.startswith("appliance."))
    paths = {name.removeprefix("appliance.").replace(".", "/") for name in dotted}
    known = {other.name for other in MODULES}
    return frozenset(path for path in paths if path in known or f"{path}/__init__" in known)


def within(name: str, places: Iterable[str]) -> bool:
    """Whether a module lies at one of these places or below it."""
    return any(name == place or name.startswith(f"{place}/") for place in places)


def forbidden(module: Module) -> list[str]:
    """What a module imports of ours and may not."""
    if module.folder:
        allowed = MAY_IMPORT.get(module.folder, set()) | {module.folder}
        allowed |= set() if module.folder in PURE else EVERYBODYS
    else:
        allowed = {"system/late"}
    # `from appliance.queue import client` names the folder too; that says nothing of the module wanted.
    wanted = {
        name for name in ours(module) if not any(other.startswith(f"{name}/") for other in ours(module))
    }
    return sorted(name for name in wanted if not within(name, allowed))


def roots(module: Module) -> set[str]:
    """The packages that a module imports from."""
    return {found.name.partition(".")[0] for found in module.imports()}


def unopened(module: Module) -> list[str]:
    """The foreign libraries that a module is no door for."""
    foreign = {root for root in roots(module) if root not in sys.stdlib_module_names and root != "appliance"}
    return [root for root in sorted(foreign) if not within(module.name, DOORS.get(root, ()))]


def too_large(module: Module) -> list[str]:
    """The file or the functions that are longer, or wider, than they may be."""
    file = [module.path.name] if module.text.count("\n") > LINES_OF_A_FILE else []
    long = [f.name for f in module.functions() if lines_of(f) > LINES_OF_A_FUNCTION]
    return file + long + [f.name for f in module.functions() if parameters_of(f) > PARAMETERS]


def empty_names(module: Module) -> list[str]:
    """Names in which a word stands that would fit any program."""
    names = [module.path.stem, *(definition.name for definition in module.definitions())]
    words = {name: set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")) for name in names}
    return [name for name, parts in words.items() if parts & EMPTY_WORDS]


def test_a_module_imports_only_what_lies_below_its_station() -> None:
    assert {} == faults(forbidden)


def test_a_pure_module_reaches_no_socket_file_or_clock() -> None:
    assert {} == faults(lambda module: roots(module) & IMPURE if module.folder in PURE else set())


def test_a_foreign_library_comes_in_by_its_one_door() -> None:
    assert {} == faults(unopened)


def test_no_module_is_loaded_by_its_name_but_by_the_door_for_it() -> None:
    by_name = re.compile(r"__import__|\bimportlib\b|\brunpy\b|\bexec\(")

    assert ["system/late"] == [module.name for module in MODULES if by_name.search(module.text)]


def test_imports_stand_at_the_top_and_are_absolute() -> None:
    assert {} == faults(
        lambda m: [found for found in m.imports() if found.is_late or found.name.startswith(".")]
    )


def test_no_import_goes_in_a_circle() -> None:
    graph = {module.name: ours(module) - {module.folder} for module in MODULES}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_a_module_begins_with_a_sentence_on_what_it_owns() -> None:
    assert [] == [module.name for module in MODULES if not module.sentence.startswith("Owns ")]


def test_files_functions_and_parameter_lists_are_short() -> None:
    assert {} == faults(too_large)


def asserted(module: Module) -> list[str]:
    """What is asserted beyond a type: that a value is there, or of a class."""
    tests = [node.test for node in ast.walk(module.tree) if isinstance(node, ast.Assert)]
    return [
        text
        for text in map(ast.unparse, tests)
        if not re.fullmatch(r"isinstance\(.*\)|\S+ is not None", text)
    ]


def test_an_assert_tells_the_type_checker_and_nobody_else() -> None:
    assert {} == faults(asserted)  # the image is compiled without


def test_no_text_is_a_docstring_where_the_image_has_none() -> None:
    keep = ("admin", "site")

    assert [] == [m.name for m in MODULES if m.folder not in keep and re.search("__doc__|getdoc", m.text)]


def test_names_are_words_of_mail_and_not_words_that_fit_any_program() -> None:
    assert {} == faults(empty_names)


def test_a_folder_says_its_rule_in_few_lines_and_holds_no_code_there() -> None:
    folders = [module for module in MODULES if module.path.name == "__init__.py"]

    assert [] == [module.name for module in folders if module.has_code or module.text.count("\n") > 5]


def test_a_module_has_its_own_test_file() -> None:
    tests = {
        m.name: CHECKOUT / "tests" / m.folder / f"test_{m.path.stem.strip('_')}.py"
        for m in MODULES
        if m.has_code
    }

    assert [] == [name for name, path in tests.items() if not path.is_file()]


@pytest.mark.parametrize("folder", ["formats", "protocols", "mailauth"])
def test_pure_folders_need_no_mock_in_any_test(folder: str) -> None:
    tests = (CHECKOUT / "tests" / folder).rglob("*.py")

    assert [] == [path.name for path in tests if "mock" in path.read_text()]


def programs_of_supervisor() -> set[str]:
    """The programs of the supervisor template, without the one that ends by itself."""
    template = next((CHECKOUT / "templates").rglob("supervisord.conf*")).read_text()
    return set(re.findall(r"^\[program:([a-z0-9]+)\]", template, re.MULTILINE)) - {"checklist"}


def test_the_table_of_processes_the_supervisor_template_and_the_page_name_the_same_daemons() -> None:
    page = (CHECKOUT / "ARCHITECTURE.md").read_text()
    table = page.partition("## Processes")[2].partition("\n## ")[0]

    assert set(DAEMONS) == programs_of_supervisor()
    assert set(DAEMONS) == set(re.findall(r"^\| `([a-z0-9]+)`", table, re.MULTILINE))


def test_the_page_on_control_files_names_each_that_is_read() -> None:
    calls = r'control\.(?:line|lines|integer|table|or_me|read)\(\s*"([a-z.]+)"'
    read = {name for module in MODULES for name in re.findall(calls, module.text)}
    page = (CHECKOUT / "docs" / "control.md").read_text()

    assert [] == sorted(name for name in read if f"`{name}`" not in page)


def test_what_a_page_points_to_is_there() -> None:
    pages = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")]
    links = [(page, found) for page in pages for found in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]

    assert links
    assert [] == [(page.name, link) for page, link in links if not (page.parent / link).exists()]


def test_every_process_of_the_table_is_a_function_of_arguments_and_environment() -> None:
    for target in PROCESSES.values():
        module, _, function = target.partition(":")
        path = APPLIANCE.parent / f"{module.replace('.', '/')}.py"
        found = [f for f in Module(path).functions() if f.name == function]
        assert [["argv", "environ"]] == [[argument.arg for argument in f.args.args] for f in found], target


def test_the_long_list_of_arguments_is_counted_without_self() -> None:
    function = ast.parse("class A:\n def f(self, a, *, b): pass").body[0].body[0]  # type: ignore[attr-defined]

    assert 2 == parameters_of(function)


def test_the_lock_names_no_index_and_agrees_with_the_lock_for_developers() -> None:
    runtime, development = (
        (CHECKOUT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")
    )
    pinned = set(re.findall(r"^[\w-]+==\S+", runtime, re.MULTILINE))

    assert ("http" in runtime + development, True) == (
        False,
        pinned <= set(re.findall(r"^[\w-]+==\S+", development, re.M)),
    )
