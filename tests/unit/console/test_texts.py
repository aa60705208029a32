"""Both languages say the same things, and everything the analysis may say has words."""

from __future__ import annotations

import ast
import json
import string
from pathlib import Path

import pytest
from werkzeug.datastructures import LanguageAccept

from api.console import decision_card
from api.console.words import LANGUAGES, Words, choose_language
from experiments.analysis import comparisons, decision
from experiments.assignment.explanation import OUTCOMES, STEPS
from experiments.definitions.lifecycle import DRY_RUN, HOLDBACK, MAIN, STATUSES
from experiments.definitions.metric import DIRECTIONS, KINDS
from experiments.definitions.plan import CORRECTIONS
from experiments.schedule.notices import CODES
from stats import Reason
from tests.unit.console.documents import STATES

Text = str | dict[str, str]

# Families of texts whose last part comes from a document.
FAMILIES = (
    *(
        "age.",
        "assignment.",
        "change.",
        "column.lift.",
        "column.p.",
        "correction.",
        "decision.",
        "direction.",
    ),
    *(
        "docs.kind.",
        "entry.",
        "error.",
        "evidence.",
        "explain.figure.",
        "explain.outcome.",
        "explain.step.",
        "fact.",
        "health.",
        "kind.",
        "mark.",
        "metrics.basis.",
    ),
    *(
        "month.",
        "next.",
        "notice.",
        "phase.",
        "plan.",
        "plot.desc.",
        "reading.",
        "role.",
        "rule.",
        "state.",
        "status.",
        "step.",
    ),
    *("term.", "verdict.", "why."),
)


def texts(console: Path, language: str) -> dict[str, Text]:
    found: dict[str, Text] = json.loads(
        (console / "texts" / f"{language}.json").read_text(encoding="utf-8")
    )
    return found


def placeholders(text: Text) -> set[str]:
    forms = [text] if isinstance(text, str) else list(text.values())
    return {
        name
        for form in forms
        for _, name, _, _ in string.Formatter().parse(form)
        if name is not None
    }


def test_both_languages_have_the_same_keys_and_placeholders(console: Path) -> None:
    english, chinese = (texts(console, language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for key in english:
        assert placeholders(english[key]) == placeholders(chinese[key]), key


def test_every_text_is_used(console: Path) -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in (console, console / "templates" / "console")
        for path in folder.iterdir()
        if path.suffix in {".py", ".html"}
    )
    for key in texts(console, "en"):
        named = f'"{key}"' in code or f"'{key}'" in code
        assert named or any(key.startswith(family) for family in FAMILIES), key


def test_every_rule_of_the_decision_has_its_sentences(console: Path) -> None:
    known = texts(console, "en")
    for rule in rules_of_the_analysis():
        assert rule in decision_card.RULES
        assert f"rule.{rule}" in known
        assert f"change.{rule}" in known


def test_the_sample_states_meet_every_rule() -> None:
    met = {make()["decision"]["rule"] for make in STATES.values()}
    assert met == set(decision_card.RULES)


def rules_of_the_analysis() -> set[str]:
    """The codes that stand where a decision takes its rule."""
    tree = ast.parse(Path(decision.__file__).read_text(encoding="utf-8"))
    found: set[str] = set()
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        place = {"Decision": 1, "_keep": 0}.get(name)
        if place is None or len(call.args) <= place:
            continue
        rule = call.args[place]
        if isinstance(rule, ast.Constant):
            found.add(rule.value)
        elif isinstance(rule, ast.JoinedStr):
            found |= {"goal_worse", "guardrail_worse"}
    return found | {"no_goal", "no_metrics"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_domain_has_a_word(language: str) -> None:
    words = Words(language)
    reasons = [*Reason, comparisons.TOO_LARGE, comparisons.OUT_OF_RANGE]
    keys = [f"status.{status}" for status in STATUSES]
    keys += [f"phase.{kind}" for kind in (MAIN, DRY_RUN, HOLDBACK)]
    keys += [f"kind.{kind}" for kind in KINDS]
    keys += [f"explain.step.{step}" for step in STEPS]
    keys += [f"explain.outcome.{outcome}" for outcome in OUTCOMES]
    keys += [f"direction.{direction}" for direction in DIRECTIONS]
    keys += [f"correction.{correction}" for correction in CORRECTIONS]
    keys += [f"why.{str(reason).lower()}" for reason in reasons]
    keys += [f"notice.{code}" for code in CODES]
    for key in keys:
        assert words(key)


def test_an_unknown_key_is_an_error_and_never_shown() -> None:
    with pytest.raises(KeyError):
        Words("en")("no.such.text")


def test_numbers_and_forms_follow_the_count() -> None:
    words = Words("en")
    assert words("age.minutes", n=1) == "1 minute ago"
    assert words("health.excluded.value", n=44_700) == "44,700 exposures"
    assert words.age(59) == "less than a minute ago"
    assert words.age(3 * 86_400 + 5) == "3 days ago"


def test_chinese_is_spaced_as_it_is_set() -> None:
    words = Words("zh")
    assert "点击率显著变差" not in words("verdict.worse")
    assert words("evidence.chance", chance="97.3%") == "胜出概率 97.3%"
    said = words(
        "rule.guardrail_worse",
        variant="新版",
        control="旧版",
        metric="延迟",
        effect="+1%",
        evidence="p",
    )
    assert said.startswith("新版的护栏指标“延迟”显著差于旧版")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "chosen"),
    [
        ("zh", "en", "en", "zh"),
        ("fr", "zh", "en", "zh"),
        (None, None, "fr;q=0.9, zh-CN;q=0.8, en;q=0.7", "zh"),
        (None, "xx", "", "en"),
        (None, None, "zh;q=0, en", "en"),
    ],
)
def test_the_language_is_asked_for_remembered_or_accepted(
    asked: str | None, remembered: str | None, accepted: str, chosen: str
) -> None:
    pairs = []
    for part in filter(None, accepted.split(", ")):
        tag, _, quality = part.partition(";q=")
        pairs.append((tag, float(quality or 1)))
    assert choose_language(asked, remembered, LanguageAccept(pairs)) == chosen
