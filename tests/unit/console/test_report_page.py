"""The report page in every state and both languages: sound HTML, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from api.console import numbers
from api.console.metric_tables import verdict_text
from api.console.words import Words
from experiments.definitions.lifecycle import DRY_RUN, Phase, Run
from tests.unit.console.conftest import NOW
from tests.unit.console.documents import STATES, VIP
from tests.unit.console.page_tree import Element, check

Draw = Callable[..., str]
LANGUAGES = ("en", "zh")


def by_id(tree: Element, identifier: str) -> Element:
    (found,) = [one for one in tree.all() if one.attributes.get("id") == identifier]
    return found


def decision(tree: Element) -> str:
    return tree.all("section", class_="decision")[0].text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_sound_html(draw: Draw, state: str, language: str) -> None:
    tree = check(draw(state, language))
    assert tree.all("html")[0].attributes["lang"] == {"en": "en", "zh": "zh-Hans"}[language]
    text = tree.all("body")[0].text
    for leftover in ("None", "nan", "inf ", "{", "}", "Undefined"):
        assert leftover not in text.replace("infer", "").split("curl")[0]


@pytest.mark.parametrize("state", STATES)
def test_a_chinese_page_holds_no_english_text(draw: Draw, console: Path, state: str) -> None:
    english = json.loads((console / "texts" / "en.json").read_text(encoding="utf-8"))
    chinese = json.loads((console / "texts" / "zh.json").read_text(encoding="utf-8"))
    text = check(draw(state, "zh")).all("body")[0].text
    for key, sentence in english.items():
        fixed = isinstance(sentence, str) and "{" not in sentence and len(sentence.split()) > 1
        if fixed and chinese[key] != sentence and key != "language":
            assert sentence not in text, key


def test_the_decision_stands_first_and_names_its_rule(draw: Draw) -> None:
    tree = check(draw("retention_worse"))
    headings = [one.text for one in tree.all("h2")]
    assert headings[:2] == ["Roll back gate_40", "Can these numbers be trusted?"]
    said = decision(tree)
    assert "lift −4.3%, in absolute terms −0.82 pp" in said
    assert "adjusted for 2 comparisons" in said
    (held,) = tree.all("li", class_="held")
    assert held.text.startswith("A goal or a guardrail is significantly worse")


def test_the_public_experiment_reads_as_published(draw: Draw) -> None:
    tree = check(draw("retention_worse"))
    rows = [row.text for row in tree.all("table", class_="metrics")[0].all("tr")]
    (retention,) = [row for row in rows if row.startswith("Retention on day 7")]
    for published in ("19.02%", "18.20%", "[−1.33, −0.31]", "n = 44,700", "n = 45,489", "0.0016"):
        assert published in retention
    units = tree.all("table", class_="arms")[0].text
    for published in ("44,700", "45,489", "45,094.5", "90,189"):
        assert published in units
    assert "p = 0.0086" in tree.all("ul", class_="checks")[0].text


@pytest.mark.parametrize(
    ("state", "title", "request_"),
    [
        ("draft", "Not started", "/api/v1/experiments/checkout-2026/start"),
        ("without_units", "No exposures yet", '"type": "exposure"'),
        ("without_outcomes", "Exposures, but no outcomes", '"event": "purchase"'),
        ("waiting_for_units", "Not enough units yet", "/api/v1/experiments/checkout-2026/results"),
    ],
)
def test_each_empty_state_gives_the_request_to_send(
    draw: Draw, state: str, title: str, request_: str
) -> None:
    tree = check(draw(state))
    assert by_id(tree, "next").text == title
    (command,) = tree.all("pre", class_="command")
    assert command.text.startswith("curl ")
    assert request_ in command.text


def test_missing_units_ask_for_more_traffic_where_there_is_more(draw: Draw) -> None:
    (command,) = check(draw("waiting_for_units", traffic=0.2)).all("pre", class_="command")
    assert "-X PATCH" in command.text
    assert '{"traffic": 1.0}' in command.text


def test_a_page_with_enough_data_asks_for_nothing(draw: Draw) -> None:
    assert not check(draw("win")).all("pre", class_="command")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("state", "failed"), [("mismatch", 1), ("crossed", 2), ("win", 0), ("silent_arm", 1)]
)
def test_health_says_in_words_what_failed(
    draw: Draw, state: str, failed: int, language: str
) -> None:
    tree = check(draw(state, language))
    bad = tree.all("li", class_="bad")
    assert len(bad) == failed
    word = {"en": "Problem", "zh": "异常"}[language]
    assert all(word in one.text for one in bad)


def test_excluded_and_rejected_events_are_counted_by_reason(draw: Draw) -> None:
    text = check(draw("mismatch")).all("ul", class_="checks")[0].text
    assert "214 exposures" in text
    assert "210 outside a running phase and 4 forced by an override" in text
    assert "1,337 events" in text
    assert "1,201 that came in this phase name the experiment" in text
    assert "1 × FIELD_TYPE and 1,200 × UNKNOWN_VARIANT" in text


def test_an_awkward_baseline_keeps_its_difference_and_says_why_there_is_no_lift(draw: Draw) -> None:
    tree = check(draw("awkward_baselines"))
    rows = {row.text.split()[0]: row.text for row in tree.all("tr")}
    assert "+2.0 pp" in rows["Purchase"]
    assert "The baseline is too close to zero" in rows["Purchase"]
    assert "+10.0% [2.2%, 17.2%]" in rows["Profit"]
    assert "All units have the same value" in rows["Revenue"]
    assert "Cannot be computed" in rows["Revenue"]


def test_three_arms_share_one_baseline_and_one_axis(draw: Draw) -> None:
    tree = check(draw("three_arms"))
    goal = tree.all("table", class_="metrics")[0]
    assert goal.all("th", scope="rowgroup")[0].attributes["rowspan"] == "2"
    labels = {
        tuple(text.text for text in drawing.all("text"))
        for drawing in tree.all("svg", class_="scale")
    }
    assert len(labels) == 1
    assert "18,000" in tree.all("p", class_="waiting")[0].text


@pytest.mark.parametrize(
    ("verdict", "held", "reading"),
    [
        ("worse", True, "Worse, but within its margin"),
        ("worse", False, "Worse"),
        ("inconclusive", True, "Within its margin"),
        ("inconclusive", False, "Margin not proven yet"),
        ("inconclusive", None, "Not conclusive"),
        ("better", True, "Better"),
        (None, None, "Cannot be computed"),
    ],
)
def test_a_guardrail_is_read_against_its_margin(
    verdict: str | None, held: bool | None, reading: str
) -> None:
    comparison = {"verdict": verdict, "non_inferior": held}
    assert verdict_text(comparison, Words("en")) == reading


def test_frequentist_words_promise_no_probability(draw: Draw) -> None:
    for state in ("win", "flat", "inconclusive", "stopped"):
        text = check(draw(state)).all("main")[0].text.lower()
        assert "95% probability" not in text
        assert "no effect" not in text.replace("no effect large enough to matter", "").replace(
            "there is no effect", ""
        )
        assert "credible" not in text
        assert "chance to win" not in text


def test_a_bayesian_plan_shows_chances_and_no_p_value(draw: Draw) -> None:
    tree = check(draw("bayesian_win"))
    tables = " ".join(table.text for table in tree.all("table", class_="metrics"))
    assert "p-value" not in tables
    assert "> 99.9%" in tables
    assert "loss if kept" in tables
    assert "prior N(0, 0.3²)" in tree.all("main")[0].text
    assert "chance to win > 99.9%" in decision(tree)
    assert "p-value" not in tree.all("main")[0].text


ALWAYS_VALID = {
    "en": ("Always-valid p-value", "confidence sequence", "confidence interval", "Fixed horizon"),
    "zh": ("始终有效 p 值", "置信序列", "置信区间", "固定样本"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", [name for name in STATES if name.startswith("sequential_")])
def test_a_sequential_page_shows_no_number_of_a_fixed_horizon(
    draw: Draw, state: str, language: str
) -> None:
    tree = check(draw(state, language))
    p_value, sequence, interval, horizon = ALWAYS_VALID[language]
    for table in tree.all("table", class_="metrics"):
        assert p_value in table.text
        assert sequence in table.text
        assert interval not in table.text
    words = {one.text for one in tree.all("dl", class_="terms")[0].all("dt")}
    assert {p_value.lower(), sequence.lower()} <= {word.lower() for word in words}
    assert interval.lower() not in {word.lower() for word in words}
    assert horizon not in tree.all("main")[0].text
    text = tree.all("main")[0].text
    for metric in STATES[state]()["metrics"]:
        for one in metric["comparisons"]:
            fixed, sequential = one["difference"], one["sequential"]
            for shown, hidden in (
                (sequential["p_value"], fixed["p_value"]),
                (sequential["interval"][0], fixed["interval"][0]),
                (sequential["lift_interval"][1], one["lift"]["interval"][1]),
            ):
                assert numbers.significant(shown) in text
                assert numbers.significant(hidden) not in text


def test_a_drawing_spans_the_confidence_sequence(draw: Draw) -> None:
    tree = check(draw("sequential_win"))
    (comparison,) = STATES["sequential_win"]()["metrics"][0]["comparisons"]
    lower, upper = comparison["sequential"]["lift_interval"]
    said = tree.all("svg", class_="forest")[0].text
    assert f"confidence sequence [{100 * lower:.1f}%, {100 * upper:.1f}%]" in said


@pytest.mark.parametrize(
    ("language", "ship", "left"),
    [("en", "Ship treatment", "Not enough units yet"), ("zh", "建议上线", "单元数还不够")],
)
def test_a_winner_before_the_planned_size_does_not_ask_for_units(
    draw: Draw, language: str, ship: str, left: str
) -> None:
    tree = check(draw("sequential_win", language))
    assert ship in decision(tree)
    assert left not in tree.all("main")[0].text
    steps = [one.attributes.get("class") for one in tree.all("ol", class_="steps")[0].all("li")]
    assert steps.index("held") == 3


def test_waiting_comes_last_where_any_look_may_decide(draw: Draw) -> None:
    tree = check(draw("sequential_units"))
    assert "at any later look, also before the planned units" in decision(tree)
    steps = [one.attributes.get("class") for one in tree.all("ol", class_="steps")[0].all("li")]
    assert steps.index("held") == 5


@pytest.mark.parametrize(
    ("language", "why", "phrase", "readings"),
    [
        (
            "en",
            "Without a window: Revenue.",
            "no window, so read at a fixed horizon",
            ("always valid", "fixed horizon"),
        ),
        (
            "zh",
            "没有观察窗口的指标：Revenue。",
            "没有观察窗口，因此按固定样本读取",
            ("始终有效", "固定样本"),
        ),
    ],
)
def test_a_metric_without_a_window_is_said_to_be_read_at_a_fixed_horizon(
    draw: Draw, language: str, why: str, phrase: str, readings: tuple[str, str]
) -> None:
    tree = check(draw("mixed", language))
    assert why in tree.all("main")[0].text
    goals, guardrails = tree.all("table", class_="metrics")
    rows = {row.text.split()[0]: row.text for row in goals.all("tr")}
    assert phrase in rows["Revenue"]
    assert phrase not in rows["Purchase"]
    assert rows["Purchase"].count(readings[0]) == 1
    assert rows["Revenue"].count(readings[1]) >= 1
    assert readings[1] not in guardrails.text


def test_an_ended_experiment_is_not_told_to_keep_running(draw: Draw) -> None:
    assert decision(check(draw("stopped"))).startswith("No conclusion")
    assert decision(check(draw("shipped"))).startswith("treatment is shipped to everybody")


def test_a_late_report_says_so(draw: Draw) -> None:
    assert "Newer events are being analysed" in check(draw("win", is_late=True)).text
    assert "Newer events are being analysed" not in check(draw("win")).text


def test_times_are_those_of_the_experiments_zone(draw: Draw) -> None:
    assert "20 Mar 2026, 10:30 CET" in check(draw("win")).text
    assert "20 Mar 2026, 15:00 IST" in check(draw("win", time_zone="Asia/Kolkata")).text


def test_names_from_users_are_escaped(draw: Draw) -> None:
    page = draw("no_metrics")
    assert "<b>" not in page
    assert check(page).all("h1")[0].text == "<b>Bold</b> & 'quoted'"


TWO_PHASES = (
    Phase(1, "x", (Run(0, 3_600_000_000),), DRY_RUN),
    Phase(2, "x:2", (Run(86_400_000_000),)),
)


def options(tree: Element, name: str) -> list[tuple[str, str, bool]]:
    return [
        (one.attributes["value"], one.text, "selected" in one.attributes)
        for one in by_id(tree, name).all("option")
    ]


def test_a_reader_chooses_phase_and_segment(draw: Draw) -> None:
    tree = check(draw("segment", phases=TWO_PHASES, segments=(VIP,)))
    assert options(tree, "phase") == [
        ("2", "2 · main, since 2 Jan 1970, 01:00 CET", False),
        ("1", "1 · dry run, since 1 Jan 1970, 01:00 CET", True),
    ]
    assert options(tree, "segment") == [
        ("", "Everybody", False),
        ("vip", "Regular customers", True),
    ]
    chinese = check(draw("win", "zh", phases=TWO_PHASES, segments=(VIP,)))
    assert options(chinese, "segment")[0] == ("", "所有单元", True)
    assert "试运行" in options(chinese, "phase")[1][1]


def test_nothing_to_choose_is_not_asked(draw: Draw) -> None:
    for setting in ({}, {"phases": TWO_PHASES[:1]}):
        assert not check(draw("win", **setting)).all("form", class_="chooser")
    assert not check(draw("draft", segments=(VIP,))).all("form", class_="chooser")
    only_segments = check(draw("win", phases=TWO_PHASES[:1], segments=(VIP,)))
    assert [one.attributes["name"] for one in only_segments.all("select")] == ["segment"]


@pytest.mark.parametrize(
    ("state", "headline", "held"),
    [
        ("segment", "A segment does not decide", "Only a segment is shown"),
        ("dry_run", "Dry run: nothing to decide", "It is a dry run"),
        ("holdout", "Holdout: measured, not shipped", "It is a holdout"),
        ("held_back", "Shipped, and still measured", "It is a hold-back"),
        ("held_back_worse", "Roll back treatment", "A goal or a guardrail is significantly worse"),
    ],
)
def test_what_is_no_run_says_what_it_is(draw: Draw, state: str, headline: str, held: str) -> None:
    tree = check(draw(state))
    assert by_id(tree, "decision").text == headline
    (step,) = tree.all("li", class_="held")
    assert step.text.startswith(held)
    assert not tree.all("pre", class_="command")


def test_a_hold_back_is_put_in_numbers(draw: Draw) -> None:
    assert "Purchase against those: lift +14.8%" in decision(check(draw("held_back")))
    bare = decision(check(draw("held_back_unmeasured")))
    assert "There is no change to show yet." in bare


def test_a_segment_and_a_phase_that_is_over_send_nobody_anything(draw: Draw) -> None:
    for state in ("empty_segment", "first_phase"):
        assert not check(draw(state)).all("section", class_="next")


def test_silence_is_odd_only_where_events_are_awaited(draw: Draw) -> None:
    later = NOW + timedelta(days=3)
    for state, is_odd in (("flat", True), ("first_phase", False), ("segment", False)):
        strip = check(draw(state, now=later)).all("ul", class_="checks")[0]
        assert ("3 days ago" in strip.text, bool(strip.all("li", class_="warn"))) == (True, is_odd)
