"""How many of the specifications' behaviour requirements tests prove.

``docs/requirements/in-scope/SPEC.tsv`` has the id and the section of each normative requirement on a server that is
verified by its behaviour; ``docs/requirements/SPEC.tsv`` has those that do not apply here, each with the reason, and
those about what is not built yet, whose reason says so. A test proves the requirements that its ``@pytest.mark.spec``
markers name.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "requirements"
NOT_YET = "not built yet"


@dataclass(frozen=True, slots=True)
class Specification:
    """Requirement ids of one specification."""

    name: str
    sections: dict[str, str]
    """Of each requirement in scope."""
    reasons: dict[str, str]
    """Why a requirement does not apply, or not yet."""
    proven: frozenset[str]

    @property
    def later(self) -> list[str]:
        """Those about what is not built yet."""
        return [requirement for requirement, reason in self.reasons.items() if NOT_YET in reason]

    @property
    def applicable(self) -> list[str]:
        return [requirement for requirement in self.sections if requirement not in self.reasons]

    @property
    def unproven(self) -> list[str]:
        return [requirement for requirement in self.applicable if requirement not in self.proven]


def specifications() -> list[Specification]:
    """Every specification whose requirements are counted, by name."""
    marked = frozenset(requirement for _, requirement in markers())
    return [
        Specification(path.stem, scope := _pairs(path), _pairs(FOLDER / path.name), marked & scope.keys())
        for path in sorted((FOLDER / "in-scope").glob("*.tsv"))
    ]


def _pairs(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {requirement: rest for requirement, _, rest in (line.partition("\t") for line in lines)}


@cache
def markers() -> tuple[tuple[str, str], ...]:
    """(test module, requirement id) of every marker."""
    return tuple(
        (path.relative_to(ROOT / "tests").with_suffix("").as_posix(), requirement)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for requirement in _marked(ast.parse(path.read_text(encoding="utf-8")))
    )


def _marked(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def table() -> Iterator[str]:
    """The part of docs/coverage.md on requirements, in Markdown."""
    yield "| Specification | Behaviour requirements | Not applicable | Not built yet | Proven by tests | Of the rest |"
    yield "|---|---|---|---|---|---|"
    found = specifications()
    for item in found:
        applicable = len(item.applicable)
        proven = applicable - len(item.unproven)
        yield (
            f"| {item.name} | {len(item.sections)} | {len(item.reasons) - len(item.later)} | {len(item.later)} | "
            f"{proven} | {100 * proven // applicable if applicable else 100} % |"
        )
    yield ""
    for item in found:
        if item.unproven:
            names = (requirement.removeprefix(f"{item.name}_") for requirement in item.unproven)
            yield f"Not proven of {item.name}: {', '.join(names)}.\n"
