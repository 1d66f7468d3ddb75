"""The counting of requirements: nothing is counted twice, nothing is counted that does not exist."""

import re

from tools.requirements import markers, specifications


def test_every_marker_is_a_requirement_id() -> None:
    wrong = [(module, name) for module, name in markers() if not re.fullmatch(r"MS-[A-Z]+_R\d+", name)]
    assert wrong == []


def test_no_requirement_is_both_proven_and_explained_away() -> None:
    assert [name for item in specifications() for name in item.proven if name in item.reasons] == []


def test_reasons_are_given_for_requirements_in_scope_only() -> None:
    assert [name for item in specifications() for name in item.reasons if name not in item.sections] == []
    assert [name for item in specifications() for name, reason in item.reasons.items() if not reason.strip()] == []


def test_nearly_all_behaviour_is_proven() -> None:
    for item in specifications():
        assert len(item.unproven) <= len(item.applicable) / 20, f"{item.name}: {item.unproven}"
